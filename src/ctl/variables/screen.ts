import { printable, stream } from '../output.ts'
import type { Entry } from './access.ts'
import { escaped } from './show.ts'

/** Columns where the terminal does not say how many it has. */
const COLUMNS = 80

/** Bytes of a value's end that are looked at: more than any line can show. */
const TAIL_BYTES = 4096

/** One line of a terminal that always shows how a variable is. */
export class Screen {
  readonly #name: string
  #entry: Entry | undefined

  constructor(name: string) {
    this.#name = name
  }

  /** `undefined`: what was said before is over. */
  note(message: string | undefined): void {
    // Too long for the line, and worth keeping: it scrolls away above.
    if (message !== undefined) stream(`\r\u001b[Klamportctl: ${printable(message)}\r\n`)
    this.draw()
  }

  show(entry: Entry): void {
    this.#entry = entry
    this.draw()
  }

  draw(): void {
    if (this.#entry !== undefined) stream(`\r\u001b[K${this.#line(this.#entry)}`)
  }

  /** The line stays, and what follows begins below it. */
  end(): void {
    stream('\r\n')
  }

  #line({ bytes, version, writer }: Entry): string {
    const about = `${this.#name} ${version}${writer === undefined ? '' : ` ${writer.host}`}`
    const left = bytes === undefined ? `${about} (not set) ` : `${about}: `
    // The last column stays free: some terminals go to the next line when it is filled.
    const columns = (process.stdout.columns || COLUMNS) - 1
    const shown = printable(cutEnd(left, Math.floor(columns / 2)))
    return shown + tail(bytes ?? Buffer.alloc(0), columns - width(shown))
  }
}

/** As much of the end as there is room for, with … in front where it is not all. */
export function tail(bytes: Buffer, columns: number): string {
  let start = Math.max(0, bytes.length - TAIL_BYTES)
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++
  const characters = Array.from(escaped(bytes.subarray(start)))
  let room = columns
  let at = characters.length
  while (at > 0 && room >= width(characters[at - 1] ?? '')) room -= width(characters[--at] ?? '')
  if (at === 0 && start === 0) return characters.join('')
  while (at < characters.length && room < 1) room += width(characters[at++] ?? '')
  return `…${characters.slice(at).join('')}`
}

function cutEnd(text: string, columns: number): string {
  if (width(text) <= columns) return text
  const characters = Array.from(text)
  while (width(characters.join('')) >= columns) characters.pop()
  return `${characters.join('')}…`
}

/** East Asian wide characters and emoji; accents and joiners have no width. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const NARROW = /[\p{Mn}\p{Me}\u200b-\u200f\ufe0e\ufe0f]/u

export function width(text: string): number {
  let columns = 0
  for (const character of text) {
    if (!NARROW.test(character)) columns += WIDE.test(character) ? 2 : 1
  }
  return columns
}
