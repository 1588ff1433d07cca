import { INFO_BYTES_MAX } from '../control/protocol.ts'

/** What a client says of itself, for people. */
export type ClientInfo = {
  readonly pid?: number
  readonly user?: string
  readonly command?: string
  readonly why?: string
}

/** What may be left out may be undefined. */
type Said = { readonly [Key in keyof ClientInfo]: ClientInfo[Key] | undefined }

const LETTERS = { pid: 'p', user: 'u', command: 'c', why: 'w' } as const
const TEXTS = ['user', 'command', 'why'] as const

/**
 * In the few bytes that travel with a request: compact JSON with one letter a field. A long command
 * is cut. `undefined` if the rest alone is too long.
 */
export function encodeInfo(info: Said): string | undefined {
  const whole = write(info)
  if (fits(whole)) return whole
  const { command = '', ...others } = info
  // No more than these can fit; code points, so that none is cut in half.
  const points = Array.from(command.slice(0, INFO_BYTES_MAX))
  const encode = (length: number): string => {
    const cut = points.slice(0, length).join('')
    return write(length === 0 ? others : { ...others, command: cut + '…' })
  }
  if (!fits(write(others))) return undefined
  let [low, high] = [0, points.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(encode(middle))) low = middle
    else high = middle - 1
  }
  return encode(low)
}

/** Reads what another host sent: whatever is in it, what cannot be shown is left out. */
export function decodeInfo(text: string): ClientInfo {
  const value = parseObject(text)
  const info: { -readonly [Key in keyof ClientInfo]: ClientInfo[Key] } = {}
  const pid = value?.[LETTERS.pid]
  if (Number.isSafeInteger(pid)) info.pid = pid as number
  for (const key of TEXTS) {
    const said = value?.[LETTERS[key]]
    if (typeof said === 'string' && said !== '')
      info[key] = printable(said.slice(0, INFO_BYTES_MAX))
  }
  return info
}

/** For a terminal: without control characters and halves of characters. */
export function printable(text: string): string {
  return text === '' ? text : text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, ' ')
}

function write(info: Said): string {
  let said = info.pid === undefined ? '' : `"${LETTERS.pid}":${info.pid}`
  for (const key of TEXTS) {
    const text = info[key]
    if (text === undefined || text === '') continue
    said += `${said === '' ? '' : ','}"${LETTERS[key]}":${JSON.stringify(text)}`
  }
  return `{${said}}`
}

function fits(text: string): boolean {
  // A character of a text has at most three bytes.
  return 3 * text.length <= INFO_BYTES_MAX || Buffer.byteLength(text) <= INFO_BYTES_MAX
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return value as Record<string, unknown>
  } catch {
    return undefined
  }
}
