import { createSocket } from 'node:dgram'
import { once } from 'node:events'

import type { Deliver, Ends, Line } from './transport.ts'

/** Plain datagrams, which may be lost: what the socket alone costs. */
export function openDgram(ends: Ends, deliver: Deliver): Promise<readonly Line[]> {
  const { own, other, port, pairs } = ends
  return Promise.all(
    Array.from({ length: pairs }, async (_, pair) => {
      const lookup = (host: string, _options: unknown, done: LookupDone): void => {
        done(null, host, 4)
      }
      const socket = createSocket({ type: 'udp4', lookup })
      socket.on('message', message => deliver(pair, message))
      const listening = once(socket, 'listening')
      socket.bind(port + pair, own)
      await listening
      const send = (message: Uint8Array): void => socket.send(message, port + pair, other)
      return { send, sendBulk: send }
    }),
  )
}

type LookupDone = (error: null, address: string, family: number) => void
