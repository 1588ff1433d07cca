const DONE = Promise.resolve()

/**
 * Calls when the function that runs now has come to its end, before the event loop goes on.
 * `queueMicrotask` does the same, but Node wraps each of its calls in a resource for async hooks,
 * which costs as much as a datagram's way through the transport.
 */
export function atEndOfTurn(call: () => void): void {
  void DONE.then(call)
}
