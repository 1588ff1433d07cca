import { spawn } from 'node:child_process'

/** systemd, where it has started us: sd_notify(3), through systemd-notify. */
export class Supervisor {
  readonly #isThere: boolean
  readonly #complain: (reason: string) => void
  /** By what stands before the `=`: where systemd is slow, only the newest matters. */
  readonly #untold = new Map<string, string>()
  #told: Promise<void> = Promise.resolve()
  #hasComplained = false

  /** @param complain told once where systemd-notify is missing, or comes to nothing */
  constructor(complain: (reason: string) => void) {
    this.#isThere = (process.env.NOTIFY_SOCKET ?? '') !== ''
    this.#complain = complain
  }

  /** Assignments such as `READY=1`. */
  tell(...assignments: readonly string[]): void {
    if (!this.#isThere) return
    for (const text of assignments) this.#untold.set(text.slice(0, text.indexOf('=')), text)
    this.#told = this.#told.then(() => this.#send())
  }

  /** Resolves when all is said, or after so long. */
  async flush(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, waitMs)))
    await Promise.race([this.#told, late])
    clearTimeout(timer)
  }

  async #send(): Promise<void> {
    const assignments = [...this.#untold.values()]
    this.#untold.clear()
    if (assignments.length === 0) return
    const child = spawn('systemd-notify', assignments, { stdio: 'ignore' })
    await new Promise<void>(resolve => {
      child.once('error', error => {
        this.#fail(error.message)
        resolve()
      })
      child.once('exit', (code, signal) => {
        if (code !== 0) this.#fail(`systemd-notify ended with ${signal ?? String(code)}`)
        resolve()
      })
    })
  }

  #fail(reason: string): void {
    if (!this.#hasComplained) this.#complain(reason)
    this.#hasComplained = true
  }
}
