import type { HostId } from './clock.ts'

/** One request as its owner made it. The owner alone creates and removes it. */
export type LockRequest = {
  readonly time: number
  readonly host: HostId
  /** Sorted, without duplicates, 1..64 of them. */
  readonly names: readonly string[]
  /** How many may be inside: 1 a mutex, k a semaphore, Infinity a reader. */
  readonly limit: number
  /** For people: who asks, and why; at most 512 bytes; opaque to the rules. */
  readonly info: string
}

/**
 * The messages of the mutex (Lamport 1978, rules 1-5), on channel 0. `view` is the sender's view
 * number and `time` the sender's clock at the send; of a REQUEST it is the request's timestamp.
 */
export type MutexMessage =
  | {
      readonly type: 'request'
      readonly view: number
      readonly time: number
      readonly names: readonly string[]
      readonly limit: number
      readonly info: string
    }
  /** I have your request with this time: explicit, and for each request. */
  | {
      readonly type: 'reply'
      readonly view: number
      readonly time: number
      readonly request: number
    }
  /** Remove my request with this time, wherever it stands in the queue. */
  | {
      readonly type: 'release'
      readonly view: number
      readonly time: number
      readonly request: number
    }
  /** All my outstanding requests, in parts; it counts when the last part has come. */
  | {
      readonly type: 'sync'
      readonly view: number
      readonly time: number
      readonly requests: readonly Omit<LockRequest, 'host'>[]
      readonly last: boolean
    }

export type Message = MutexMessage
