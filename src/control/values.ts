import { isUtf8 } from 'node:buffer'
import { VALUE_BYTES_MAX, type ValueField } from './protocol.ts'

/** What JSON writes with six characters: `\u0001`. */
const ESCAPED = /[\0-\u0007\u000b\u000e-\u001f]/g

/** A line would be several times as long as the value, where more than one byte of so many is such. */
const ESCAPED_SHARE = 8

const BASE64_LENGTH_MAX = Math.ceil(VALUE_BYTES_MAX / 3) * 4

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/**
 * A value as a field of a line, which has at most 2.5 times its bytes: text, or base64 where it is
 * not UTF-8, or where text would be mostly escapes.
 */
export function encodeValue(bytes: Uint8Array): ValueField {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (isUtf8(buffer)) {
    const text = buffer.toString('utf8')
    const escaped = text.match(ESCAPED)?.length ?? 0
    if (escaped * ESCAPED_SHARE <= bytes.length) return text
  }
  return { base64: buffer.toString('base64') }
}

/** The bytes of a value, in memory of their own; or what is wrong with it and what to do. */
export function decodeValue(
  field: ValueField,
): { readonly bytes: Uint8Array } | { readonly problem: string } {
  if (typeof field === 'string') return encodeText(field)
  const { base64 } = field
  if (base64.length > BASE64_LENGTH_MAX) return { problem: tooLong(`more than ${VALUE_BYTES_MAX}`) }
  const buffer = Buffer.from(base64, 'base64')
  // Node decodes whatever it is given: only what it would write itself is meant as it reads it.
  if (buffer.toString('base64') !== base64) {
    return { problem: 'the value is not base64 (write A-Z a-z 0-9 + / and padding with =)' }
  }
  if (buffer.length > VALUE_BYTES_MAX) return { problem: tooLong(`${buffer.length}`) }
  // A small Buffer is a view of a pool, all of which would be kept as long as the value.
  return { bytes: new Uint8Array(buffer) }
}

/** A value as programs take it: text wherever it is UTF-8. */
export function readValue(field: ValueField): string | Uint8Array {
  if (typeof field === 'string') return field
  const bytes = new Uint8Array(Buffer.from(field.base64, 'base64'))
  return isUtf8(bytes) ? decoder.decode(bytes) : bytes
}

/** What is wrong with a value that a program gives and what to do, or `undefined`. */
export function checkValue(value: string | Uint8Array): string | undefined {
  if (typeof value === 'string') {
    const encoded = encodeText(value)
    return 'problem' in encoded ? encoded.problem : undefined
  }
  return value.length > VALUE_BYTES_MAX ? tooLong(`${value.length}`) : undefined
}

function encodeText(text: string): { readonly bytes: Uint8Array } | { readonly problem: string } {
  if (text.length > VALUE_BYTES_MAX) return { problem: tooLong(`more than ${VALUE_BYTES_MAX}`) }
  // Half a character has no bytes: it would be stored as another one.
  if (/\p{Cs}/u.test(text)) {
    return { problem: 'the value is not valid Unicode (give its bytes, in base64)' }
  }
  const bytes = encoder.encode(text)
  return bytes.length > VALUE_BYTES_MAX ? { problem: tooLong(`${bytes.length}`) } : { bytes }
}

function tooLong(bytes: string): string {
  const advice = 'keep it in a file, and its path or digest here'
  return `the value has ${bytes} bytes, at most ${VALUE_BYTES_MAX} are possible (${advice})`
}
