import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { IntervalHistogram } from 'node:perf_hooks'
import type { ExecutionContext } from 'ava'

/** As in hosts.yml when nothing is said. */
export const DEFAULT_TIMING = '{ heartbeat: 150ms, suspect: 1200ms, lease: 2000ms, drift: 2% }'

/** What the others wait for at most when a host falls silent, with that timing, in milliseconds. */
export const SILENCE_MS_MAX: number = 1200 + 2000 * 1.08 + 200

/** A lease as another host measures it, with that timing. */
export const GRACE_MS: number = 2000 * 1.08

const RESOLUTION_MS = 5
const SYNCS = 12

/** Messages and writes that follow each other from the suspicion to the new view. */
const STEPS = 4

/**
 * How long this machine itself takes, measured while a test runs: a bound of the protocol holds on
 * a machine that lets a process run when it is due.
 */
export class Machine {
  readonly #delay: IntervalHistogram
  readonly #folder: string

  /** @param folder on the disk that the daemons write to */
  constructor(folder: string) {
    this.#folder = folder
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#delay.enable()
  }

  /** How long `what` takes, held against a bound that the machine's own delays are added to. */
  async within(
    t: ExecutionContext,
    boundMs: number,
    title: string,
    what: () => unknown,
  ): Promise<number> {
    this.allowance()
    const begin = performance.now()
    await what()
    const ms = performance.now() - begin
    const { ms: more, text } = this.allowance()
    t.log(`${title}: ${ms.toFixed(0)} ms (bound ${boundMs.toFixed(0)} ms; ${text})`)
    t.true(ms <= boundMs + more, `${title}: ${ms} ms, the bound is ${boundMs} + ${more} ms`)
    return ms
  }

  /** What is to be added to a bound, and how it came about. */
  allowance(): { readonly ms: number; readonly text: string } {
    const lag = Math.max(0, this.#delay.max / 1e6 - RESOLUTION_MS)
    const sync = syncMs(this.#folder)
    this.#delay.reset()
    const text = `sync of the disk ${sync.toFixed(1)} ms, lag of the machine ${lag.toFixed(1)} ms`
    return { ms: STEPS * (sync + lag), text }
  }
}

/** The worst of a few small writes made durable. */
function syncMs(folder: string): number {
  const path = join(folder, 'sync-probe')
  const file = openSync(path, 'w')
  let worst = 0
  for (let i = 0; i < SYNCS; i += 1) {
    const begin = performance.now()
    writeSync(file, Buffer.alloc(4096, i), 0, 4096, 4096 * i)
    fdatasyncSync(file)
    worst = Math.max(worst, performance.now() - begin)
  }
  closeSync(file)
  rmSync(path)
  return worst
}
