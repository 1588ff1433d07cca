import {
  TRACE_VERSION,
  type TraceEntry,
  type TraceHosts,
  type TraceLine,
} from '../control/trace.ts'

/** A file of lines, read: or where it is wrong, and what would be right. */
export type ParsedTrace = { readonly lines: readonly TraceLine[] } | { readonly problem: string }

/** Of each type the members that a diagram rests on, beside those of every event. */
const MEMBERS: Readonly<Record<TraceEntry['type'], readonly string[]>> = {
  start: [],
  stop: [],
  crash: [],
  send: ['to', 'message'],
  deliver: ['from', 'message'],
  lose: ['to', 'message'],
  retransmit: ['to', 'message'],
  request: ['token', 'names'],
  enter: ['token', 'names'],
  leave: ['token', 'names'],
  insert: ['token', 'names'],
  remove: ['token', 'names'],
  lost: ['token', 'reason'],
  view: ['view', 'members'],
  reincarnate: ['reason'],
  connect: ['peer'],
  disconnect: ['peer'],
  skipped: ['skipped'],
}

const NUMBERS = ['to', 'from', 'token', 'view', 'peer', 'skipped']
const LISTS = ['names', 'members']

/** Reads a trace. A last line that was cut off, as Ctrl-C leaves it, does not count. */
export function parseTrace(text: string): ParsedTrace {
  const lines: TraceLine[] = []
  const texts = text.split('\n')
  const cut = texts.pop() ?? ''
  for (const [at, line] of texts.entries()) {
    if (line.trim() === '') continue
    const parsed = parseLine(line)
    if (typeof parsed === 'string') return { problem: `${at + 1}: ${parsed}` }
    lines.push(parsed)
  }
  const last = cut.trim() === '' ? '' : parseLine(cut)
  if (typeof last !== 'string') lines.push(last)
  if (lines.length === 0) return { problem: 'no event is in it (write one with lamportctl trace)' }
  return { lines }
}

/** One line, or what is wrong with it. */
export function parseLine(line: string): TraceLine | string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return 'this line is not JSON (give what lamportctl trace has printed)'
  }
  if (!isObject(value)) return 'this line is no object (give what lamportctl trace has printed)'
  if (value.type === 'hosts') return parseHosts(value)
  const { type } = value
  if (typeof type !== 'string' || !Object.hasOwn(MEMBERS, type)) {
    return `an event of the type ${JSON.stringify(type)} is not known (is this lamportctl older?)`
  }
  const wanted = ['host', 'incarnation', 'n', 'time', 'at'].filter(key => !isNumber(value[key]))
  const missing = wanted.concat(
    MEMBERS[type as TraceEntry['type']].filter(key => !isRight(key, value[key])),
  )
  if (missing.length > 0) return `${missing.join(', ')} missing or wrong in ${type}`
  return value as unknown as TraceEntry
}

function parseHosts(value: Readonly<Record<string, unknown>>): TraceHosts | string {
  const { version, hosts } = value
  if (version !== TRACE_VERSION) {
    return `a trace of version ${JSON.stringify(version)}, this lamportctl reads ${TRACE_VERSION} (install the same)`
  }
  const isHost = (host: unknown): boolean =>
    isObject(host) && isNumber(host.id) && typeof host.name === 'string'
  if (!Array.isArray(hosts) || !hosts.every(isHost)) return 'hosts missing or wrong'
  return value as unknown as TraceHosts
}

function isRight(key: string, value: unknown): boolean {
  if (NUMBERS.includes(key)) return isNumber(value)
  if (LISTS.includes(key)) return Array.isArray(value)
  if (key === 'reason') return typeof value === 'string'
  return isObject(value) && typeof value.type === 'string' && /^\d+@\d+$/.test(String(value.id))
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
