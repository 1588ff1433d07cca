import { milliseconds, type Duration } from '../../lib/time.ts'
import { parseDuration } from '../../lib/duration.ts'
import type { Kill } from '../../sim/trial.ts'
import type { Options } from '../arguments.ts'

/** What a line asks for. Chances are 0..1. */
export type Asked = {
  readonly hosts: number
  readonly entries: number
  readonly seed: number
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  readonly delay: Duration
  readonly hold: Duration
  readonly kills: readonly Kill[]
  readonly json: string | undefined
  readonly svg: string | undefined
  readonly trace: string | undefined
  readonly isReal: boolean
}

const HOSTS_MAX = 100
/** Real processes share this machine. */
const PROCESSES_MAX = 16
const ENTRIES_MAX = 100_000
const SEED_MAX = 4_294_967_295
/** Some minutes. */
const MESSAGES_MAX = 3_000_000
/** With more, heartbeats come too late for a lease of two seconds. */
const DELAY_MAX = milliseconds(200)
const HOLD_MAX = milliseconds(60_000)
/** With more, next to nothing arrives. */
const LOSS_MAX = 0.9

const LAN = milliseconds(0.2)
const HOLD = milliseconds(1)

/** What of a line makes no sense where hosts are processes, and why. */
const SIMULATED_ONLY: Readonly<Record<string, string>> = {
  seed: 'chance is not ours with real processes',
  loss: 'the loopback network loses nothing',
  duplicate: 'the loopback network doubles nothing',
  reorder: 'the loopback network keeps the order',
  delay: 'the loopback network has a delay of its own',
  trace: 'a daemon has a trace of its own: lamportctl trace',
}

/** A mistake in words, or what is asked for. */
export function parseAsked(options: Options, operands: readonly string[]): Asked | string {
  const reader = new Reader(options)
  const isReal = options.flag('processes')
  const asked: Asked = {
    hosts: reader.number('hosts', 5, 1, isReal ? PROCESSES_MAX : HOSTS_MAX),
    entries: reader.number('entries', 1, 1, ENTRIES_MAX),
    seed: reader.number('seed', 1, 0, SEED_MAX),
    loss: reader.chance('loss', LOSS_MAX),
    duplicate: reader.chance('duplicate', 1),
    reorder: reader.chance('reorder', 1),
    delay: reader.duration('delay', LAN, DELAY_MAX),
    hold: reader.duration('hold', HOLD, HOLD_MAX),
    kills: reader.kills(),
    json: options.text('json'),
    svg: options.text('svg'),
    trace: options.text('trace'),
    isReal,
  }
  if (operands.length > 0) return `simulate takes no operand: ${operands.join(' ')}`
  return reader.problem ?? contradiction(options, asked) ?? asked
}

function contradiction(options: Options, asked: Asked): string | undefined {
  const { hosts, entries, kills, isReal, json, svg, trace } = asked
  for (const [name, why] of Object.entries(SIMULATED_ONLY)) {
    if (isReal && options.text(name) !== undefined)
      return `--${name} is of the simulated network, and ${why} (leave out --${name} or --processes)`
  }
  const stranger = kills.find(({ host }) => host > hosts)
  if (stranger !== undefined)
    return `there is no host ${stranger.host} to kill (they are 1 to ${hosts}; write --hosts ${stranger.host} for more)`
  const twice = kills.find(({ host }, i) => kills.slice(i + 1).some(other => other.host === host))
  if (twice !== undefined) return `host ${twice.host} dies only once (write one --kill a host)`
  const messages = 3 * (hosts - 1) * hosts * entries
  if (messages > MESSAGES_MAX) {
    const fewer = Math.floor(MESSAGES_MAX / (3 * (hosts - 1) * hosts))
    return `that would take ${messages.toLocaleString('en')} messages, and ${MESSAGES_MAX.toLocaleString('en')} are the most (write --entries ${fewer} at most)`
  }
  if ([json, svg, trace].filter(path => path === '-').length > 1)
    return 'only one of --json, --svg and --trace can go to stdout (write a file for the others)'
  return undefined
}

/** Reads one option after the other, and keeps the first mistake. */
class Reader {
  problem: string | undefined
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  number(name: string, usual: number, min: number, max: number): number {
    const text = this.#options.text(name)
    if (text === undefined) return usual
    const value = Number(text)
    if (/^\d{1,10}$/.test(text) && value >= min && value <= max) return value
    const range = `${min} to ${max.toLocaleString('en')}`
    return this.#wrong(`--${name} ${text}: not a whole number from ${range}`, name, String(usual))
  }

  /** `0.2` or `20%`. */
  chance(name: string, max: number): number {
    const text = this.#options.text(name)
    if (text === undefined) return 0
    const [, digits, percent] = /^(\d{1,3}(?:\.\d{1,6})?)( ?%)?$/.exec(text) ?? []
    const value = Number(digits) / (percent === undefined ? 1 : 100)
    if (value <= max) return value
    return this.#wrong(`--${name} ${text}: not a chance from 0 to ${max}`, name, '0.2 or 20%')
  }

  duration(name: string, usual: Duration, max: Duration): Duration {
    const text = this.#options.text(name)
    if (text === undefined) return usual
    const value = parseDuration(text)
    if (value !== undefined && value <= max) return value
    const what = value === undefined ? 'not a time' : `more than ${max} ms`
    this.#wrong(`--${name} ${text}: ${what}`, name, `${usual}ms`)
    return usual
  }

  kills(): readonly Kill[] {
    return this.#options.list('kill').map(text => {
      const [, host, time = ''] = /^(\d{1,4})@(.+)$/.exec(text) ?? []
      const at = parseDuration(time)
      if (host !== undefined && at !== undefined) return { host: Number(host), atMs: at }
      this.#wrong(`--kill ${text}: not a host and a time`, 'kill', '2@500ms')
      return { host: 0, atMs: 0 }
    })
  }

  #wrong(what: string, name: string, example: string): number {
    this.problem ??= `${what} (write --${name} ${example})`
    return 0
  }
}
