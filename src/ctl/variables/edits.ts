import { isUtf8 } from 'node:buffer'
import { VALUE_BYTES_MAX } from '../../control/protocol.ts'

/** What is typed: text goes to the end of the value, or its last character goes. */
export type Edit = { readonly type: 'append'; readonly bytes: Buffer } | { readonly type: 'erase' }

/** Bytes that can belong to one character as people see it; what is longer goes in pieces. */
const CHARACTER_BYTES_MAX = 256

/** The value after the edits. What no longer fits is left out, and told. */
export function apply(bytes: Buffer, edits: readonly Edit[]): { bytes: Buffer; isFull: boolean } {
  let isFull = false
  let value = bytes
  for (const edit of edits) {
    if (edit.type === 'erase') value = value.subarray(0, value.length - lastCharacter(value))
    else if (value.length + edit.bytes.length > VALUE_BYTES_MAX) isFull = true
    else value = Buffer.concat([value, edit.bytes])
  }
  return { bytes: value, isFull }
}

/** Bytes of the last character, with the accents and joined emoji that people count to it. */
export function lastCharacter(bytes: Buffer): number {
  let start = Math.max(0, bytes.length - CHARACTER_BYTES_MAX)
  while (start > 0 && start < bytes.length && isContinuation(bytes[start])) start++
  const tail = bytes.subarray(start)
  if (tail.length === 0) return 0
  if (!isUtf8(tail)) return lastCodePoint(tail)
  const segments = [...new Intl.Segmenter('en').segment(tail.toString())]
  return Buffer.byteLength(segments.at(-1)?.segment ?? '')
}

/** One byte where they are no text. */
function lastCodePoint(bytes: Buffer): number {
  for (let length = 1; length <= 4 && length <= bytes.length; length++) {
    const end = bytes.subarray(bytes.length - length)
    if (isUtf8(end)) return length
    if (!isContinuation(end[0])) break
  }
  return 1
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

/** What is whole, and the beginning of a character whose rest is to come. */
export function splitAtCharacter(bytes: Buffer): [whole: Buffer, rest: Buffer] {
  for (let length = 1; length <= 3 && length <= bytes.length; length++) {
    const first = bytes[bytes.length - length] ?? 0
    if (isContinuation(first)) continue
    const needed = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
    const at = needed > length ? bytes.length - length : bytes.length
    return [bytes.subarray(0, at), bytes.subarray(at)]
  }
  return [bytes, Buffer.alloc(0)]
}

/** What the keys of a terminal in raw mode mean. */
export type Typed = { readonly edits: readonly Edit[]; readonly isEnd: boolean }

/** Keys, also those that come in several pieces. */
export class Keyboard {
  readonly #decoder = new TextDecoder()
  /** The beginning of a sequence such as that of an arrow key. */
  #sequence = ''

  read(chunk: Buffer): Typed {
    const edits: Edit[] = []
    let text = ''
    const flush = (): void => {
      if (text !== '') edits.push({ type: 'append', bytes: Buffer.from(text) })
      text = ''
    }
    for (const key of this.#decoder.decode(chunk, { stream: true })) {
      if (this.#isInSequence(key)) continue
      if (key === '\u0003' || key === '\u0004') {
        flush()
        return { edits, isEnd: true }
      }
      if (key === '\u007f' || key === '\b') {
        flush()
        edits.push({ type: 'erase' })
      } else if (key === '\r' || key === '\n') {
        text += '\n'
      } else if (key === '\t' || !/\p{Cc}/u.test(key)) {
        text += key
      }
    }
    flush()
    return { edits, isEnd: false }
  }

  /** ESC alone, ESC [ … letter (CSI), ESC O letter (SS3), ESC and a key (Alt): all without meaning. */
  #isInSequence(key: string): boolean {
    if (this.#sequence === '') {
      if (key === '\u001b') this.#sequence = key
      return key === '\u001b'
    }
    if (this.#sequence === '\u001b' && (key === '[' || key === 'O')) {
      this.#sequence += key
      return true
    }
    const isCsi = this.#sequence.startsWith('\u001b[')
    // A control character ends what was no sequence, and is a key itself.
    if (/\p{Cc}/u.test(key)) {
      this.#sequence = key === '\u001b' ? key : ''
      return key === '\u001b'
    }
    if (!isCsi || /[@-~]/.test(key)) this.#sequence = ''
    return true
  }
}
