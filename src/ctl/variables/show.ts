import { isUtf8 } from 'node:buffer'
import type { ValueField } from '../../control/protocol.ts'
import type { Entry } from './access.ts'

/** Characters of a value in a table or a message. */
const SHORT_MAX = 40

/** A value in JSON: text, or base64 where it is not UTF-8. */
export function valueJson(bytes: Buffer): ValueField {
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') }
}

/** One version of a variable in JSON, as the daemon says it. */
export function entryJson({
  name,
  bytes,
  version,
  writer,
}: Entry): Readonly<Record<string, unknown>> {
  const value = bytes === undefined ? { deleted: true } : { value: valueJson(bytes) }
  return { name, ...value, version, writer: writer ?? null }
}

/** A value on one line, cut and in quotes, so that it is never taken for something else. */
export function shortValue(bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    const hex = bytes.subarray(0, SHORT_MAX / 2).toString('hex')
    return `0x${hex}${bytes.length > SHORT_MAX / 2 ? '…' : ''}`
  }
  // Of a long value only the beginning is looked at; what a cut leaves of a character goes.
  const start = Array.from(bytes.subarray(0, 4 * (SHORT_MAX + 1)).toString())
  const isCut = start.length > SHORT_MAX
  return JSON.stringify(isCut ? `${start.slice(0, SHORT_MAX).join('')}…` : start.join(''))
}

/** For messages: what a variable is now. */
export function stateText({ bytes, version }: Entry): string {
  if (bytes !== undefined) return `version ${version}, ${shortValue(bytes)}`
  return version === 0 ? 'never set' : `unset, version ${version}`
}

/** Text on one line: control characters, and so the backslash, as a programmer would write them. */
export function escaped(bytes: Buffer): string {
  if (isUtf8(bytes)) return escapedText(bytes.toString())
  return escapedText(bytes.toString('latin1'), /[^\x20-\x5b\x5d-\x7e]/g)
}

const NAMED: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\\': '\\\\',
}

function escapedText(
  text: string,
  special: RegExp = /[\\\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
): string {
  return text.replace(special, character => {
    const code = character.codePointAt(0) ?? 0
    const hex = code.toString(16)
    return NAMED[character] ?? (code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex}`)
  })
}

/** What is not for a terminal, or turns the direction of what follows. */
const SPECIAL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/**
 * `NAME=VALUE` on one line, or `NAME` alone for an unset. What could be taken for something else
 * stands in JSON's quotes, and what is not UTF-8 as `base64:`.
 */
export function changeLine({ name, bytes }: Entry): string {
  const left = isPlain(name) && !name.includes('=') ? name : quotedText(name)
  if (bytes === undefined) return left
  if (!isUtf8(bytes)) return `${left}=base64:${bytes.toString('base64')}`
  const text = bytes.toString()
  return `${left}=${isPlain(text) && !text.startsWith('base64:') ? text : quotedText(text)}`
}

function isPlain(text: string): boolean {
  return !text.startsWith('"') && text.search(SPECIAL) === -1
}

/** JSON escapes no more than it must. */
function quotedText(text: string): string {
  return JSON.stringify(text).replace(SPECIAL, character => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  })
}
