// What nothing that asks another process and waits for a disk can go below; also the program of that
// other process.
import { createSocket } from 'node:dgram'
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Socket as DatagramSocket } from 'node:dgram'
import type { Socket } from 'node:net'
import type { Place } from './place.ts'

const CHILD = 'floor-echo'

const HOST = '127.0.82.1'
const PORT = 7531

/** As much as a small record takes with its page. */
const PAGE_BYTES = 4096
const FILE_BYTES = 16 * 1024 * 1024

/** Round trips of bare Node to one other process, and synced writes of bare Node. */
export class Floor {
  readonly #unix: Socket
  readonly #datagrams: DatagramSocket
  readonly #file: number
  readonly #page = Buffer.alloc(PAGE_BYTES, 1)
  readonly #answerBytes: number
  readonly #line: string
  #at = 0

  private constructor(
    unix: Socket,
    datagrams: DatagramSocket,
    file: number,
    lengths: { readonly request: number; readonly answer: number },
  ) {
    this.#unix = unix
    this.#datagrams = datagrams
    this.#file = file
    this.#line = jsonLine(lengths.request)
    this.#answerBytes = lengths.answer
  }

  /** @param lengths of the lines of JSON, in bytes, with their ends */
  static async open(
    place: Place,
    lengths: { readonly request: number; readonly answer: number },
  ): Promise<Floor> {
    const path = join(place.folder, 'echo.sock')
    const program = fileURLToPath(import.meta.url)
    const args = [program, CHILD, path, String(lengths.answer)]
    const child = place.spawn(process.execPath, args, ['ignore', 'inherit', 'inherit', 'ipc'])
    await once(child, 'message')
    const unix = connect(path)
    await once(unix, 'connect')
    const datagrams = createSocket('udp4')
    datagrams.bind(0, HOST)
    await once(datagrams, 'listening')
    return new Floor(unix, datagrams, preallocate(join(place.folder, 'floor')), lengths)
  }

  /** A line of JSON, parsed there, and another one back, parsed here. */
  async unixEcho(): Promise<void> {
    let text = ''
    await new Promise<void>(resolve => {
      const take = (chunk: Buffer): void => {
        text += chunk.toString()
        if (!text.endsWith('\n')) return
        this.#unix.off('data', take)
        resolve()
      }
      this.#unix.on('data', take)
      this.#unix.write(`${JSON.stringify(JSON.parse(this.#line))}\n`)
    })
    JSON.parse(text)
    if (text.length !== this.#answerBytes) throw new Error('an echo is as long as was asked for')
  }

  async datagramEcho(): Promise<void> {
    const received = once(this.#datagrams, 'message')
    this.#datagrams.send(this.#line, PORT, HOST)
    await received
  }

  /** Over what was written before: a file that grows would have to be synced twice. */
  syncedWrite(): void {
    writeSync(this.#file, this.#page, 0, PAGE_BYTES, this.#at)
    fdatasyncSync(this.#file)
    this.#at = (this.#at + PAGE_BYTES) % FILE_BYTES
  }

  close(): void {
    this.#unix.destroy()
    this.#datagrams.close()
    closeSync(this.#file)
  }
}

function preallocate(path: string): number {
  const file = openSync(path, 'w')
  writeSync(file, Buffer.alloc(FILE_BYTES))
  fsyncSync(file)
  return file
}

/** A line of JSON of this length. */
function jsonLine(bytes: number): string {
  const frame = JSON.stringify({ text: '' })
  return `${JSON.stringify({ text: 'x'.repeat(Math.max(0, bytes - 1 - frame.length)) })}\n`
}

async function echo(path: string, answerBytes: number): Promise<void> {
  const answer: unknown = JSON.parse(jsonLine(answerBytes))
  const server = createServer(socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString()
      if (!text.endsWith('\n')) return
      JSON.parse(text)
      text = ''
      socket.write(`${JSON.stringify(answer)}\n`)
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(path)
  const datagrams = createSocket('udp4')
  datagrams.on('message', (bytes, { address, port }) => datagrams.send(bytes, port, address))
  datagrams.bind(PORT, HOST)
  await Promise.all([once(server, 'listening'), once(datagrams, 'listening')])
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

const [, , argument, path, answerBytes] = process.argv
if (argument === CHILD && path !== undefined) await echo(path, Number(answerBytes))
