// How long a datagram of lamportd's takes there and back between two processes on loopback, beside
// a plain one: `npm run bench:loopback`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { monotonicNow } from '../src/control/monotonic.ts'
import { isMet, loopbackGoals, quantile } from './measures.ts'
import { describeMachine, formatGoals, formatLoopback, formatMachine } from './report.ts'
import { openDgram } from './transports/dgram.ts'
import { openLamport } from './transports/lamport.ts'

import type { LoopbackRow } from './measures.ts'
import type { Ends, Line, Side } from './transports/transport.ts'

const SIZE = 100
const WARM_UP = 20_000
/** The two take turns, so that both meet the same machine. */
const TURNS = 10
const ROUNDS = 5000

const CHILD = 'echo'

/** Both kinds of line, from the one end or the other. */
async function open(side: Side, deliver: Record<keyof LoopbackRow, (message: Uint8Array) => void>) {
  const [own, other] = side === 'a' ? ['127.0.79.1', '127.0.79.2'] : ['127.0.79.2', '127.0.79.1']
  const ends = (port: number): Ends => ({ own, other, port, pairs: 1, side })
  const [lamportd] = await openLamport(ends(7611), (_, message) => deliver.lamportd(message))
  const [dgram] = await openDgram(ends(7612), (_, message) => deliver.dgram(message))
  return { lamportd, dgram } as Record<keyof LoopbackRow, Line>
}

async function echo(): Promise<void> {
  const lines = await open('b', {
    // Kept until it is acknowledged, while the memory of a datagram is used again.
    lamportd: message => lines.lamportd.send(message.slice()),
    dgram: message => lines.dgram.send(message),
  })
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

/** Round trips on one line, one after the other, in microseconds. */
function goRound(line: Line, count: number, use: (receive: () => void) => void): Promise<number[]> {
  const message = new Uint8Array(SIZE)
  const took: number[] = []
  return new Promise(resolve => {
    let sentAt = monotonicNow()
    use(() => {
      const now = monotonicNow()
      took.push((now - sentAt) * 1000)
      sentAt = now
      if (took.length < count) line.send(message)
      else resolve(took)
    })
    line.send(message)
  })
}

/** Medians of what both took, measured in turns. */
export async function measureLoopback(): Promise<LoopbackRow> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), CHILD], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const receive = { lamportd: (): void => undefined, dgram: (): void => undefined }
  const took: Record<keyof LoopbackRow, number[]> = { lamportd: [], dgram: [] }
  const ready = once(child, 'message')
  const lines = await open('a', {
    lamportd: () => receive.lamportd(),
    dgram: () => receive.dgram(),
  })
  await ready
  const go = (name: keyof LoopbackRow, count: number): Promise<number[]> =>
    goRound(lines[name], count, use => (receive[name] = use))
  await go('lamportd', WARM_UP)
  await go('dgram', WARM_UP)
  for (let turn = 0; turn < TURNS; turn++) {
    took.lamportd.push(...(await go('lamportd', ROUNDS)))
    took.dgram.push(...(await go('dgram', ROUNDS)))
  }
  child.disconnect()
  return { lamportd: quantile(took.lamportd, 0.5), dgram: quantile(took.dgram, 0.5) }
}

async function main(): Promise<void> {
  console.log(formatMachine(describeMachine()))
  const row = await measureLoopback()
  console.log(formatLoopback(row))
  const goals = loopbackGoals(row)
  console.log(formatGoals(goals))
  process.exit(goals.every(isMet) ? 0 : 1)
}

const [, program, argument] = process.argv
if (argument === CHILD) await echo()
else if (program === fileURLToPath(import.meta.url)) await main()
