import type { HostId, Token } from '../core/clock.ts'
import type { CommandId, TraceEvent } from '../node.ts'

/**
 * What an onlooker of the whole world sees, in true time (`at`, milliseconds since its start): the
 * trace of every node, and what clients believe. The checkers know nothing else.
 */
export type Observation =
  | {
      readonly type: 'trace'
      readonly at: number
      readonly host: HostId
      readonly event: TraceEvent
      /** The Lamport time of the host, and its incarnation. */
      readonly time: number
      readonly incarnation: number
    }
  /** A host began a new life. */
  | { readonly type: 'booted'; readonly at: number; readonly host: HostId }
  /** From now on its channels are opened in the name of this incarnation, which is durable. */
  | {
      readonly type: 'incarnated'
      readonly at: number
      readonly host: HostId
      readonly incarnation: number
    }
  /** A host went down, and with it what its clients waited for. */
  | { readonly type: 'died'; readonly at: number; readonly host: HostId }
  /** A client asked for a lock. */
  | {
      readonly type: 'asked'
      readonly at: number
      readonly host: HostId
      readonly id: CommandId
      readonly names: readonly string[]
      readonly limit: number
    }
  /** It was answered, or it died: nobody waits for this any more. */
  | {
      readonly type: 'settled'
      readonly at: number
      readonly host: HostId
      readonly id: CommandId
    }
  /** A client believes that it is inside, until it lets go. */
  | {
      readonly type: 'holds'
      readonly at: number
      readonly host: HostId
      readonly token: Token
      readonly names: readonly string[]
      readonly limit: number
    }
  | {
      readonly type: 'lets-go'
      readonly at: number
      readonly host: HostId
      readonly token: Token
    }

export type Observe = (observation: Observation) => void
