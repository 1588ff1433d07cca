import { Notes } from '../output.ts'

/** Whoever waits for less than this needs no bar. */
const SHOWN_AFTER_MS = 500
const AGAIN_MS = 100
const WIDTH = 30

/** How far a run is, on one line of a terminal that goes when it is over. */
export class ProgressLine {
  readonly #notes: Notes | undefined
  readonly #start = performance.now()
  #shown = this.#start + SHOWN_AFTER_MS - AGAIN_MS

  /** @param notes where there is a terminal to show it on */
  constructor(notes: Notes | undefined) {
    this.#notes = notes
  }

  /** @param what there is to say before entries are counted */
  show(what: string | undefined, done: number, expected: number): void {
    const now = performance.now()
    if (this.#notes === undefined || now - this.#shown < AGAIN_MS) return
    this.#shown = now
    this.#notes.live(what === undefined ? barText(done, expected) : `${what} …`)
  }

  async end(): Promise<void> {
    this.#notes?.live(undefined)
    await this.#notes?.flush(1000)
  }
}

/** `[######        ] 512 of 1,500 entries`. */
export function barText(done: number, expected: number): string {
  const full = expected === 0 ? 0 : Math.floor((WIDTH * done) / expected)
  const [count, all] = [done, expected].map(each => each.toLocaleString('en'))
  return `[${'#'.repeat(full).padEnd(WIDTH)}] ${count} of ${all} entries`
}
