/** An invariant of our own does not hold: our bug, never a peer's or a user's. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/**
 * Ends the process, by way of an uncaught error, if one of our own invariants is broken.
 *
 * @param message the invariant, stated positively
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Closes a switch: the compiler refuses a call that can be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`no case is left out: ${JSON.stringify(value)}`)
}
