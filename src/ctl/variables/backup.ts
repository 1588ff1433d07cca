import { isUtf8 } from 'node:buffer'
import { isObject } from '../../client/shape.ts'
import { checkName } from '../../control/names.ts'
import type { Entry } from './access.ts'
import { checkSize } from './line.ts'
import { valueJson } from './show.ts'

/** One variable of a backup. */
export type Saved = { readonly name: string; readonly bytes: Buffer }

/** A variable as a line of a backup. */
export function backupLine({ name, bytes, version }: Entry): string {
  if (bytes === undefined) return ''
  return JSON.stringify({ name, value: valueJson(bytes), version }) + '\n'
}

/** All variables of a backup, or the first line that is none, as `FILE:LINE: what (what to do)`. */
export function parseBackup(file: string, bytes: Buffer): readonly Saved[] | { problem: string } {
  if (!isUtf8(bytes)) return { problem: `${file}: not UTF-8 (is it a file that export wrote?)` }
  const saved: Saved[] = []
  const lines = new Map<string, number>()
  for (const [index, text] of bytes.toString().split('\n').entries()) {
    if (text.trim() === '') continue
    const line = index + 1
    const parsed = parseSaved(text)
    if (typeof parsed === 'string') return { problem: `${file}:${line}: ${parsed}` }
    const before = lines.get(parsed.name)
    if (before !== undefined) {
      const what = `${parsed.name} is in line ${before} already (delete one of the two)`
      return { problem: `${file}:${line}: ${what}` }
    }
    lines.set(parsed.name, line)
    saved.push(parsed)
  }
  return saved
}

const FORM = 'write {"name":"…","value":"…"}'

function parseSaved(text: string): Saved | string {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return `not JSON (${FORM}; is the line cut off?)`
  }
  if (!isObject(parsed)) return `not a JSON object (${FORM})`
  const { name, value, version } = parsed
  if (typeof name !== 'string') return `"name" is not a text (${FORM})`
  const problem = checkName(name)
  if (problem !== undefined) return problem
  if (version !== undefined && !(Number.isSafeInteger(version) && Number(version) >= 0)) {
    return '"version" is not a number (leave it out: it is not imported)'
  }
  const bytes = parseValue(value)
  if (typeof bytes === 'string') return bytes
  return checkSize(bytes.length) ?? { name, bytes }
}

function parseValue(value: unknown): Buffer | string {
  if (typeof value === 'string') {
    return /\p{Cs}/u.test(value)
      ? '"value" is not valid Unicode (write base64)'
      : Buffer.from(value)
  }
  const base64 = isObject(value) ? value.base64 : undefined
  if (typeof base64 !== 'string') return `"value" is neither a text nor {"base64":"…"} (${FORM})`
  const bytes = Buffer.from(base64, 'base64')
  return bytes.toString('base64') === base64 ? bytes : '"base64" is not base64 (with its padding)'
}
