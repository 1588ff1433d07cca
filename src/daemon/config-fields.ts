import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Node, YAMLMap } from 'yaml'
import { parseDuration } from '../lib/duration.ts'
import type { Duration } from '../lib/time.ts'
import { nearest } from '../lib/nearest.ts'

/** One mistake, where it stands, in the form "what is wrong (what to write instead)". */
export type Mistake = { readonly line: number; readonly column: number; readonly text: string }

/** The value of a key, and where to point when something is wrong with it. */
export type Field = { readonly node: Node | undefined; readonly at: number }

/** A YAML text read with positions: every reader notes what is wrong and reads on. */
export class Fields {
  readonly #mistakes: (Mistake & { readonly at: number })[] = []
  readonly #lines = new LineCounter()
  readonly #document: Document.Parsed

  constructor(text: string) {
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // A doubled key is ours to report: the parser does not say where the first one is.
      uniqueKeys: false,
    })
    for (const problem of [...this.#document.errors, ...this.#document.warnings]) {
      const message = problem.message.replaceAll('\n', ' ').replace(/\.$/, '')
      this.wrong(problem.pos[0], `this is not YAML: ${message} (mend it; the rest was not read)`)
    }
  }

  /** In the order of the text. */
  get mistakes(): readonly Mistake[] {
    return [...this.#mistakes].sort((a, b) => a.at - b.at)
  }

  get root(): Field {
    const node = this.#document.contents ?? undefined
    return { node, at: node === undefined ? 0 : start(node) }
  }

  wrong(at: number, text: string): void {
    const { line, col } = this.#lines.linePos(at)
    this.#mistakes.push({ at, line: Math.max(line, 1), column: Math.max(col, 1), text })
  }

  /** The line of a position, for messages that point at another one. */
  line(at: number): number {
    return Math.max(this.#lines.linePos(at).line, 1)
  }

  /** The fields of a map, without those that are unknown or doubled. */
  map(field: Field, what: string, known: readonly string[]): Map<string, Field> | undefined {
    if (!isMap(field.node)) {
      this.wrong(field.at, `${what} is ${describe(field.node)} (write a map: ${known.join(', ')})`)
      return undefined
    }
    const fields = new Map<string, Field>()
    for (const { key, value } of (field.node as YAMLMap<Node, Node | null>).items) {
      const at = start(key)
      const name = isScalar(key) ? String(key.value) : ''
      const first = fields.get(name)
      if (!known.includes(name)) this.#unknownKey(at, name, known)
      else if (first !== undefined) {
        this.wrong(at, `${name} is given twice, first in line ${this.line(first.at)} (keep one)`)
      } else fields.set(name, this.#field(value, at))
    }
    return fields
  }

  #unknownKey(at: number, name: string, known: readonly string[]): void {
    const meant = nearest(name, known)
    const advice = meant === undefined ? `known here: ${known.join(', ')}` : `write ${meant}`
    this.wrong(at, `unknown key ${JSON.stringify(name)} (${advice})`)
  }

  /** The items of a list; `undefined` if it is none. */
  list(field: Field, what: string, example: string): readonly Field[] | undefined {
    if (!isSeq(field.node)) {
      this.wrong(field.at, `${what} is ${describe(field.node)} (write a list: ${example})`)
      return undefined
    }
    return (field.node.items as (Node | null)[]).map(item => this.#field(item, field.at))
  }

  /** A text; numbers and the like are not, unquoted they are often a slip. */
  text(field: Field, what: string, example: string): string | undefined {
    const value = isScalar(field.node) ? field.node.value : undefined
    if (typeof value === 'string' && value !== '') return value
    const advice =
      typeof value === 'number' || typeof value === 'boolean'
        ? `write it in quotes if that is meant, or like ${example}`
        : `write ${what}: ${example}`
    this.wrong(field.at, `${what} is ${describe(field.node)} (${advice})`)
    return undefined
  }

  /** A whole number between the two, both included. */
  integer(field: Field, what: string, range: { low: number; high: number }): number | undefined {
    const value = isScalar(field.node) ? field.node.value : undefined
    if (Number.isSafeInteger(value)) {
      const number = value as number
      if (number >= range.low && number <= range.high) return number
    }
    const quotes = typeof value === 'string' && /^\d+$/.test(value) ? ', without quotes' : ''
    this.wrong(
      field.at,
      `${what} is ${describe(field.node)} (write a whole number from ${range.low} to ${range.high}${quotes})`,
    )
    return undefined
  }

  /** A duration with its unit, between the two, both included. */
  duration(
    field: Field,
    what: string,
    range: { low: Duration; high: Duration },
  ): Duration | undefined {
    const value = isScalar(field.node) ? field.node.value : undefined
    const duration = parseDuration(String(value))
    if (duration === undefined) {
      const advice =
        typeof value === 'number'
          ? `say the unit: ${value}ms or ${value}s`
          : 'write a number and its unit: 150ms, 2s, 1.5s'
      this.wrong(field.at, `${what} is ${describe(field.node)} (${advice})`)
      return undefined
    }
    if (duration >= range.low && duration <= range.high) return duration
    this.wrong(
      field.at,
      `${what} is ${describe(field.node)} (write between ${range.low}ms and ${range.high}ms)`,
    )
    return undefined
  }

  /** A percentage up to `high`, as a share: 2 % is 0.02. */
  percentage(field: Field, what: string, high: number): number | undefined {
    const value = isScalar(field.node) ? field.node.value : undefined
    const match = /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(String(value))
    const share = match === null ? NaN : Math.round(Number(match[1]) * 1e6) / 1e8
    if (share <= high / 100) return share
    this.wrong(
      field.at,
      `${what} is ${describe(field.node)} (write a percentage from 0% to ${high}%: 2%)`,
    )
    return undefined
  }

  #field(value: Node | null, keyAt: number): Field {
    if (value === null) return { node: undefined, at: keyAt }
    const at = start(value)
    if (!isAlias(value)) return { node: value, at }
    // An alias that leads nowhere reads as nothing, at the place of the alias.
    return { node: value.resolve(this.#document), at }
  }
}

/** What stands there, quoted, for a message. */
function describe(node: Node | undefined): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node) || node.value === null || node.value === '') return 'empty'
  if (typeof node.value === 'string') {
    const text = node.value.length > 80 ? node.value.slice(0, 80) + '…' : node.value
    return JSON.stringify(text)
  }
  return node.source ?? JSON.stringify(node.value)
}

function start(node: Node): number {
  return node.range?.[0] ?? 0
}
