import type { LossCause, Refusal, Response } from '../node.ts'
import { Histogram, WAIT_SECONDS } from './histogram.ts'

type Counts<Key extends string> = Record<Key, number>

const REFUSED: Counts<Refusal> = {
  'not-acquired': 0,
  'no-majority': 0,
  'not-held': 0,
  busy: 0,
  leaving: 0,
  limit: 0,
  'not-blank': 0,
}

/**
 * What clients were answered and how long it took, since the start. It is counted at the control
 * socket: the protocol itself has no clock to measure with, and nobody else to measure for.
 */
export class Meter {
  /** From the request until the grant, and from there until it was given back or lost. */
  readonly waits: Histogram = new Histogram(WAIT_SECONDS)
  readonly holds: Histogram = new Histogram(WAIT_SECONDS)
  readonly acquires: Counts<Refusal | 'granted' | 'cancelled'> = {
    granted: 0,
    cancelled: 0,
    ...REFUSED,
  }
  readonly lost: Counts<LossCause> = { lease: 0, incarnation: 0, leaving: 0 }
  readonly gets: Counts<Refusal | 'value' | 'local'> = { value: 0, local: 0, ...REFUSED }
  /** Of set and unset. */
  readonly sets: Counts<Refusal | 'changed' | 'differs' | 'uncertain'> = {
    changed: 0,
    differs: 0,
    uncertain: 0,
    ...REFUSED,
  }
  /** Of those that were done. */
  readonly setDurations: Histogram = new Histogram(WAIT_SECONDS)
  connectionsAccepted = 0
  connectionsRefused = 0
  requestsOverLimit = 0

  /** @returns when it was granted: now */
  granted(askedAt: number): number {
    const now = performance.now()
    this.acquires.granted += 1
    this.waits.observe((now - askedAt) / 1000)
    return now
  }

  held(grantedAt: number): void {
    this.holds.observe((performance.now() - grantedAt) / 1000)
  }

  got(response: Response): void {
    if (response.type === 'refused') this.gets[response.reason] += 1
    else this.gets.value += 1
  }

  changed(response: Response, askedAt: number): void {
    switch (response.type) {
      case 'changed':
        this.sets.changed += 1
        this.setDurations.observe((performance.now() - askedAt) / 1000)
        return
      case 'differs':
      case 'uncertain':
        this.sets[response.type] += 1
        return
      case 'refused':
        this.sets[response.reason] += 1
        return
      default:
        // No other response answers a change.
        return
    }
  }
}
