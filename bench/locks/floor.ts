// What nothing that asks a process beside it, and that two others, can go below; also the program of
// those others.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Socket as DatagramSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import type { Place } from '../variables/place.ts'

const CHILD = 'locks-floor'
const HOST = '127.0.87.1'
const PORT = 7581
const BYTES = 80
const TAG_BYTES = 16

/** Round trips of bare Node, to one process over a Unix socket, to others by datagrams. */
export class LocksFloor {
  readonly #unix: Socket
  readonly #datagrams: DatagramSocket
  readonly #bytes = Buffer.alloc(BYTES, 1)
  #awaited = 0
  #wake: () => void = () => undefined
  #isSealed = false

  private constructor(unix: Socket, datagrams: DatagramSocket) {
    this.#unix = unix
    this.#datagrams = datagrams
    datagrams.on('message', bytes => {
      if (this.#isSealed) open(bytes)
      this.#awaited -= 1
      if (this.#awaited === 0) this.#wake()
    })
  }

  static async open(place: Place): Promise<LocksFloor> {
    const path = join(place.folder, 'locks-floor.sock')
    for (const index of [0, 1]) {
      const args = [fileURLToPath(import.meta.url), CHILD, path, String(index)]
      const child = place.spawn(process.execPath, args, ['ignore', 'inherit', 'inherit', 'ipc'])
      await once(child, 'message')
    }
    const unix = connect(path)
    await once(unix, 'connect')
    const datagrams = createSocket('udp4')
    datagrams.bind(0, HOST)
    await once(datagrams, 'listening')
    return new LocksFloor(unix, datagrams)
  }

  async unixEcho(): Promise<void> {
    const answer = once(this.#unix, 'data')
    this.#unix.write(this.#bytes)
    await answer
  }

  /** To so many others at once, until all have answered. */
  async datagramEcho(others: number): Promise<void> {
    this.#isSealed = false
    await this.#echo(others, () => this.#bytes, 0)
  }

  /** The same with each datagram sealed and opened there and here, by ChaCha20-Poly1305. */
  async sealedEcho(others: number): Promise<void> {
    this.#isSealed = true
    await this.#echo(others, () => seal(this.#bytes), SEALED_OFFSET)
  }

  close(): void {
    this.#unix.destroy()
    this.#datagrams.close()
  }

  #echo(others: number, bytes: () => Buffer, offset: number): Promise<void> {
    this.#awaited = others
    return new Promise(resolve => {
      this.#wake = resolve
      for (let i = 0; i < others; i++) this.#datagrams.send(bytes(), PORT + offset + i, HOST)
    })
  }
}

const SEALED_OFFSET = 10
const KEY = Buffer.alloc(32, 7)
const options = { authTagLength: TAG_BYTES }
let sealed = 0

function nonceOf(n: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32LE(n, 4)
  return nonce
}

function seal(bytes: Buffer): Buffer {
  sealed = (sealed + 1) >>> 0
  const head = Buffer.alloc(4)
  head.writeUInt32LE(sealed)
  const cipher = createCipheriv('chacha20-poly1305', KEY, nonceOf(sealed), options)
  const text = cipher.update(bytes)
  cipher.final()
  return Buffer.concat([head, text, cipher.getAuthTag()])
}

function open(bytes: Buffer): Buffer {
  const decipher = createDecipheriv(
    'chacha20-poly1305',
    KEY,
    nonceOf(bytes.readUInt32LE(0)),
    options,
  )
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  const text = decipher.update(bytes.subarray(4, -TAG_BYTES))
  decipher.final()
  return text
}

async function echo(path: string, index: number): Promise<void> {
  const ready: Promise<unknown>[] = []
  if (index === 0) {
    const server = createServer(socket => {
      socket.on('data', bytes => socket.write(bytes))
      socket.on('error', () => socket.destroy())
    })
    server.listen(path)
    ready.push(once(server, 'listening'))
  }
  for (const offset of [0, SEALED_OFFSET]) {
    const socket = createSocket('udp4')
    const answer = (bytes: Buffer): Buffer => (offset === 0 ? bytes : seal(open(bytes)))
    socket.on('message', (bytes, { address, port }) => socket.send(answer(bytes), port, address))
    socket.bind(PORT + offset + index, HOST)
    ready.push(once(socket, 'listening'))
  }
  await Promise.all(ready)
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

const [, , argument, path, index] = process.argv
if (argument === CHILD && path !== undefined) await echo(path, Number(index))
