import type { Place } from '../variables/place.ts'

/** Lets go of a lock. */
export type Release = () => PromiseLike<unknown>

/** A client of one server, as it is usually used from Node. */
export type LockClient = {
  /** Waits until the lock is held. */
  acquire(name: string): PromiseLike<Release>
}

/** All three at one address of loopback. */
export function onLoopback(address: string): Servers {
  return { addresses: [address, address, address], via: () => [] }
}

/** One shared value, as a client of one server reads and writes it. */
export type RegisterClient = {
  /** What the table says of it, where its name does not say enough. */
  readonly name: string
  set(value: string): PromiseLike<unknown>
  get(): PromiseLike<unknown>
}

/** One way to lock, running: three servers (where it has servers) and a client of each. */
export type Peer = {
  /** By which the rows and goals know it. */
  readonly name: string
  readonly clients: readonly LockClient[]
  readonly register?: RegisterClient
  /** Who had a lock last may have it again for less: then it is also measured where that helps nobody. */
  readonly remembers?: true
  /** Where a client in another process finds it, see `Contender.open`; the holder that is to die. */
  readonly where?: string
}

/** Where the three servers of a contender are. */
export type Servers = {
  /** Of loopback all may be the same. */
  readonly addresses: readonly string[]
  /** What runs a program at the first, second or third of them; nothing: here. */
  readonly via: (index: number) => readonly string[]
}

/** What can be measured where it is installed. */
export type Contender = {
  readonly name: string
  /** It is one server that speaks no network. */
  readonly isLocal?: true
  /** Why not here, and what to install; `undefined` where it can be. */
  problem(): string | undefined
  version(): string
  /** A client of the first server, in another process than the one that started it. */
  open(where: string): Promise<LockClient>
  /** Starts its servers; some have two ways to lock. */
  start(
    place: Place,
    servers?: Servers,
  ): Promise<{ readonly peers: readonly Peer[]; close(): Promise<void> }>
}
