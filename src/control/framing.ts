import { LINE_BYTES_MAX } from './protocol.ts'

/** What a stream of bytes holds, one line at a time. */
export type Line =
  | { readonly type: 'line'; readonly text: string }
  /** This line is not UTF-8; the next one may be. */
  | { readonly type: 'not-utf8' }
  /** Longer than either side accepts. Where the next line begins is not looked for: close. */
  | { readonly type: 'too-long' }

const NEWLINE = 0x0a

/** Splits a stream of bytes into lines, however the stream was cut into chunks. */
export class LineReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** The chunks of the line that has begun; copies, for who reads may use their memory again. */
  #begun: Uint8Array[] = []
  #begunBytes = 0
  #isTooLong = false

  /** The lines that end in this chunk, without their newlines. */
  push(chunk: Uint8Array): readonly Line[] {
    const lines: Line[] = []
    let start = 0
    while (!this.#isTooLong) {
      const end = chunk.indexOf(NEWLINE, start)
      const part = chunk.subarray(start, end === -1 ? undefined : end)
      this.#begunBytes += part.length
      if (this.#begunBytes > LINE_BYTES_MAX) {
        this.#isTooLong = true
        this.#begun = []
        lines.push({ type: 'too-long' })
      } else if (end === -1) {
        // Not `slice`, which on a Buffer copies nothing.
        if (part.length > 0) this.#begun.push(new Uint8Array(part))
        break
      } else {
        lines.push(this.#finish(part))
        start = end + 1
      }
    }
    return lines
  }

  #finish(last: Uint8Array): Line {
    const bytes = this.#begun.length === 0 ? last : Buffer.concat([...this.#begun, last])
    this.#begun = []
    this.#begunBytes = 0
    try {
      return { type: 'line', text: this.#decoder.decode(bytes) }
    } catch {
      return { type: 'not-utf8' }
    }
  }
}

/**
 * A value as one line of JSON with its newline, or `undefined` where that line would be longer than
 * the other side accepts: who sends it says what happens instead.
 */
export function encodeLine(value: unknown): string | undefined {
  const line = JSON.stringify(value) + '\n'
  // A character of a text has at most three bytes.
  if (3 * line.length <= LINE_BYTES_MAX) return line
  return Buffer.byteLength(line) - 1 > LINE_BYTES_MAX ? undefined : line
}
