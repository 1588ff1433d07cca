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

/** An AbortSignal that is made when somebody asks for it: for most locks nobody does. */
export class LateSignal {
  #controller: AbortController | undefined
  #end: { readonly reason: unknown } | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#end !== undefined) this.#controller.abort(this.#end.reason)
    }
    return this.#controller.signal
  }

  /** Once: a later reason does not count. */
  abort(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { reason }
    this.#controller?.abort(reason)
  }
}
