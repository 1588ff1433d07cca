/** The terminal key by key, and given back as it was on every way out. */
export class RawTerminal {
  readonly #redraw: () => void
  #isRaw = false

  constructor(redraw: () => void) {
    this.#redraw = redraw
  }

  begin(): void {
    this.#set(true)
    // Also where a fault ends us.
    process.on('exit', this.restore)
    // Not from the keyboard, for that is ours now: someone else stops us, or lets us go on.
    process.on('SIGTSTP', () => {
      this.restore()
      process.kill(process.pid, 'SIGSTOP')
    })
    process.on('SIGCONT', () => {
      this.#set(true)
      this.#redraw()
    })
    process.stdout.on('resize', this.#redraw)
  }

  readonly restore = (): void => {
    if (this.#isRaw) this.#set(false)
  }

  #set(isRaw: boolean): void {
    this.#isRaw = isRaw
    process.stdin.setRawMode(isRaw)
  }
}
