const CAUGHT = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

export type CaughtSignal = (typeof CAUGHT)[number]

/** Why something was given up. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly signal: CaughtSignal

  constructor(signal: CaughtSignal) {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}

/** The signals that reach lamportctl while it waits, runs a command, or holds. */
export class Signals {
  readonly #interrupted = new AbortController()
  #receiver: ((signal: CaughtSignal) => void) | undefined

  constructor() {
    for (const signal of CAUGHT) process.on(signal, () => this.#receive(signal))
  }

  /** Aborted, with an `Interrupted`, by a signal that came while nobody received them. */
  get interrupted(): AbortSignal {
    return this.#interrupted.signal
  }

  /** From now on signals are the receiver's business; `undefined`: they interrupt again. */
  receive(receiver: ((signal: CaughtSignal) => void) | undefined): void {
    this.#receiver = receiver
  }

  #receive(signal: CaughtSignal): void {
    if (this.#receiver !== undefined) this.#receiver(signal)
    else this.#interrupted.abort(new Interrupted(signal))
  }
}
