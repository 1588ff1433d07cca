/** Settles as the promise does, or rejects with the signal's reason, whichever is first. */
export async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise
  // Where the signal comes first, what becomes of the promise is nobody's news.
  promise.catch(() => undefined)
  let abort = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort)
  })
  try {
    signal.throwIfAborted()
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
