import { createRequire } from 'node:module'
import { frame, Unframer } from './framing.ts'

import type { Duplex } from 'node:stream'
import type { Deliver, Ends, Line } from './transport.ts'

type UdxSocket = { bind(port: number, host: string): void }
type UdxStream = Duplex & {
  connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
}
type Udx = { createSocket(): UdxSocket; createStream(id: number): UdxStream }

/** Streams of udx-native (libudx), a socket each, framed as on TCP. */
export function openUdx(ends: Ends, deliver: Deliver): Promise<readonly Line[]> {
  const { own, other, port, pairs } = ends
  const udx = new (loadUdx())()
  const lines = Array.from({ length: pairs }, (_, pair) => {
    const socket = udx.createSocket()
    socket.bind(port + pair, own)
    const stream = udx.createStream(pair + 1)
    const unframer = new Unframer(message => deliver(pair, message))
    stream.on('data', (chunk: Buffer) => unframer.push(chunk))
    // After some losses in a row it gives up: then its messages are missing, and the row is void.
    stream.on('error', error => process.stderr.write(`udx, pair ${pair}: ${error.message}\n`))
    stream.connect(socket, pair + 1, port + pair, other)
    const send = (message: Uint8Array): void => {
      if (!stream.destroyed) stream.write(frame(message))
    }
    return { send, sendBulk: send }
  })
  return Promise.resolve(lines)
}

/** Throws where it is not installed, or not made for this machine. */
export function loadUdx(): new () => Udx {
  // From dist/bench/transports: the benchmark's own node_modules are beside its sources.
  const require = createRequire(new URL('../../../bench/package.json', import.meta.url))
  return require('udx-native') as new () => Udx
}
