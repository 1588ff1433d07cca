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
}

export const RULES: Rules = {
  waitForReplies: true,
  releaseAnywhere: true,
  requestOnce: true,
  totalOrder: true,
}
