const DONE = Promise.resolve()

/**
 * Calls when the function that runs now has come to its end, before the event loop goes on.
 * `queueMicrotask` does the same, but Node makes a resource for async hooks of each call.
 */
export function atEndOfTurn(call: () => void): void {
  void DONE.then(call)
}
