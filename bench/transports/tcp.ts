import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { frame, Unframer } from './framing.ts'

import type { Socket } from 'node:net'
import type { Deliver, Ends, Line } from './transport.ts'

const CALL_AGAIN_MS = 50
const CALLS_MAX = 200

/** TCP without Nagle's delay; how it is tuned is a matter of the route. */
export function openTcp(ends: Ends, deliver: Deliver): Promise<readonly Line[]> {
  const open = ends.side === 'a' ? call : answer
  return Promise.all(
    Array.from({ length: ends.pairs }, async (_, pair) => {
      const socket = await open(ends, ends.port + pair)
      socket.setNoDelay(true)
      const unframer = new Unframer(message => deliver(pair, message))
      socket.on('data', chunk => unframer.push(chunk))
      const send = (message: Uint8Array): void => {
        socket.write(frame(message))
      }
      return { send, sendBulk: send }
    }),
  )
}

async function call({ own, other }: Ends, port: number): Promise<Socket> {
  for (let calls = 1; ; calls++) {
    const socket = connect({ host: other, port, localAddress: own })
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      // Perhaps it is not listening yet.
      if (calls === CALLS_MAX) throw error
      await new Promise(resolve => setTimeout(resolve, CALL_AGAIN_MS))
    }
  }
}

async function answer({ own }: Ends, port: number): Promise<Socket> {
  const server = createServer()
  server.listen(port, own)
  const [socket] = (await once(server, 'connection')) as [Socket]
  server.close()
  return socket
}
