/**
 * The rules of the protocol that can be switched off, each to show that a checker notices. A daemon
 * runs with all of them; only tests and the simulator's `--break` give another set.
 */
export type Rules = {
  /** Rule 5 (ii): enter only when every other member has REPLIED to this request. */
  readonly waitForReplies: boolean
  /** A RELEASE removes its request wherever it stands, not only at the head of the queue. */
  readonly releaseAnywhere: boolean
  /** A request is sent once to each member; the channel does the rest. */
  readonly requestOnce: boolean
  /** Requests are kept in the total order ⇒, not in the order of their arrival. */
  readonly totalOrder: boolean
  /** A REPLY is for one request; a later timestamp of its sender is none. */
  readonly explicitReply: boolean
  /** Requests of excluded incarnations keep their place until their leases have ended. */
  readonly ghosts: boolean
  /** A ghost is adopted only when every other member has REPLIED to that. */
  readonly adoptionReplies: boolean
  /** A member for whom the ghost has ended does not REPLY to its adoption. */
  readonly adoptionStands: boolean
  /** What its owner's SYNC does not vouch for is a ghost again, and not over. */
  readonly adoptionReturns: boolean
  /** A request that stands admits another client only while no other request shares a name with it. */
  readonly standingAlone: boolean
  /** Whoever hears of a request that stands goes on at a time above all that it has reserved. */
  readonly standingAhead: boolean
  /** An excluded incarnation can never be in a later view. */
  readonly retirement: boolean
  /** Where nobody knows what an absent host may hold, a lease is waited out. */
  readonly quarantine: boolean
  /** The wait starts again when a view excludes one that joined earlier and never sent a SYNC. */
  readonly restartWait: boolean
  /** Heartbeats of an incarnation outside the newest accepted view are not echoed. */
  readonly echoMembersOnly: boolean
  /** No request is stamped before this incarnation has been complete once. */
  readonly stampWhenCaughtUp: boolean
  /** A host without a disk of its own votes only after it has founded or recovered. */
  readonly blankHosts: boolean
  /** A host votes by one table: by another than before only after all of its hosts have agreed. */
  readonly oneTable: boolean
  /** Nothing above the durable clock ceiling is stamped or sent. */
  readonly clockCeiling: boolean
  /** A register of a variable needs a majority of votes, not just anybody. */
  readonly registerQuorum: boolean
  /** An acceptor's answer waits until what it speaks of is durable. */
  readonly registerDurable: boolean
  /** A host that tries again looks first whether its operation is contained in the value. */
  readonly registerApplied: boolean
  /** After a recovery, no host takes a ballot that the old life may have promised to refuse. */
  readonly registerFloor: boolean
}

export const RULES: Rules = {
  waitForReplies: true,
  releaseAnywhere: true,
  requestOnce: true,
  totalOrder: true,
  explicitReply: true,
  ghosts: true,
  adoptionReplies: true,
  adoptionStands: true,
  adoptionReturns: true,
  standingAlone: true,
  standingAhead: true,
  retirement: true,
  quarantine: true,
  restartWait: true,
  echoMembersOnly: true,
  stampWhenCaughtUp: true,
  blankHosts: true,
  oneTable: true,
  clockCeiling: true,
  registerQuorum: true,
  registerDurable: true,
  registerApplied: true,
  registerFloor: true,
}
