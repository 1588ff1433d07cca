import type { Place } from '../variables/place.ts'

/** Lets go of a lock. */
export type Release = () => PromiseLike<unknown>

/** A client of one server, as it is usually used from Node. */
export type LockClient = {
  /** Waits until the lock is held. */
  acquire(name: string): PromiseLike<Release>
}

/** One way to lock, running: three servers (where it has servers) and a client of each. */
export type Peer = {
  /** By which the rows and goals know it. */
  readonly name: string
  readonly clients: readonly LockClient[]
}

/** What can be measured where it is installed. */
export type Contender = {
  readonly name: string
  /** Why not here, and what to install; `undefined` where it can be. */
  problem(): string | undefined
  version(): string
  /** Starts its servers; some have two ways to lock. */
  start(place: Place): Promise<{ readonly peers: readonly Peer[]; close(): Promise<void> }>
}
