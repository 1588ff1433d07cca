import { spawn } from 'node:child_process'

/** systemd, where it has started us: sd_notify(3), through systemd-notify. */
export class Supervisor {
  readonly #isThere: boolean
  readonly #complain: (message: string) => void
  /** One after the other: the last one must be what is true. */
  #told: Promise<void> = Promise.resolve()

  /** @param complain told once where systemd-notify is missing */
  constructor(complain: (message: string) => void) {
    this.#isThere = (process.env.NOTIFY_SOCKET ?? '') !== ''
    this.#complain = complain
  }

  /** Assignments such as `READY=1`. */
  tell(...assignments: readonly string[]): void {
    if (this.#isThere) this.#told = this.#told.then(() => this.#send(assignments))
  }

  /** Resolves when all is said, or after so long. */
  async flush(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, waitMs)))
    await Promise.race([this.#told, late])
    clearTimeout(timer)
  }

  #send(assignments: readonly string[]): Promise<void> {
    const child = spawn('systemd-notify', assignments, { stdio: 'ignore' })
    return new Promise(resolve => {
      child.once('error', error => {
        this.#complain(`systemd is not told: ${error.message} (install systemd-notify)`)
        resolve()
      })
      child.once('exit', () => resolve())
    })
  }
}
