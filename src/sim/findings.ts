/** Something that must not happen and did. `at`: true time, in milliseconds since the start. */
export type Violation = { readonly at: number; readonly text: string }

/** After so many the rest are only counted: they follow from the first ones. */
const FINDINGS_MAX = 20

/** What one checker found. */
export class Findings {
  readonly #all: Violation[] = []
  #more = 0

  get all(): readonly Violation[] {
    return this.#all
  }

  get count(): number {
    return this.#all.length + this.#more
  }

  add(at: number, text: string): void {
    if (this.#all.length < FINDINGS_MAX) this.#all.push({ at, text })
    else this.#more += 1
  }
}
