import type { Latency, Missing, TrialResult, Verdict } from '../../sim/verdict.ts'
import { heading, table, type Cell } from '../table.ts'
import type { Asked } from './asked.ts'

/** So much of a long list is shown; `--json` has all of it. */
const ENTRIES_SHOWN = 8
const HOSTS_SHOWN = 20
const PROBLEMS_SHOWN = 5

/** What was done to datagrams. */
export type Datagrams = {
  readonly sent: number
  readonly lost: number
  readonly duplicated: number
}

/** The result for people: what there was, what it took, the verdict, and what to try next. */
export function reportOf(
  asked: Asked,
  result: TrialResult,
  datagrams: Datagrams | undefined,
  isColoured: boolean,
): string {
  return [
    headline(asked),
    hostTable(result, asked.entries, isColoured),
    fields(result),
    ...(datagrams === undefined ? [] : [describeDatagrams(datagrams)]),
    verdictText(asked, result.verdict, isColoured),
    next(asked, result.verdict),
  ].join('\n\n')
}

/** `5 hosts, 10 entries each, 20 % lost; seed 7`. */
export function headline(asked: Asked): string {
  const { hosts, entries, hold, delay, seed, isReal } = asked
  const what = `${counted(hosts, 'host')}, ${counted(entries, 'entry', 'entries')} each, inside for ${hold} ms`
  if (isReal) return `${what}; real processes on this machine`
  const faults = [
    ...(asked.loss > 0 ? [`${percent(asked.loss)} of datagrams lost`] : []),
    ...(asked.duplicate > 0 ? [`${percent(asked.duplicate)} doubled`] : []),
    ...(asked.reorder > 0 ? [`${percent(asked.reorder)} overtaken`] : []),
  ]
  const network = faults.length === 0 ? 'a good network' : faults.join(', ')
  return `${what}; ${network}, ${delay} ms away; seed ${seed}`
}

function hostTable(result: TrialResult, entries: number, isColoured: boolean): string {
  const hosts = Object.entries(result.latency)
  const head = heading(
    ...['HOST', 'ENTRIES', 'MESSAGES', ' LEAST', 'MEDIAN', '   P99', '   MAX', 'TICKS'],
  )
  const rows = hosts.slice(0, HOSTS_SHOWN).map(([host, latency]): Cell[] => {
    const { ms, ticks } = latency
    const done = doneBy(result, Number(host), entries)
    const text = `${done}/${entries}`.padStart(7)
    return [
      host.padStart(4),
      done === entries ? text : { text, colour: 'red' },
      String(result.message_count[host]).padStart(8),
      ...spread(ms),
      String(ticks.median).padStart(5),
    ]
  })
  const more = hosts.length - rows.length
  return [
    table([head, ...rows], isColoured),
    ...(more > 0 ? [`… and ${more} more; all are in --json FILE`] : []),
    'LEAST to MAX: from request to entry, in ms. TICKS: the median of that by the Lamport clock.',
  ].join('\n')
}

function spread({ min, median, p99, max }: Latency['ms']): string[] {
  return [min, median, p99, max].map(ms => ms.toFixed(2).padStart(6))
}

/** Entries that were done to their end. */
function doneBy({ verdict }: TrialResult, host: number, entries: number): number {
  return verdict.liveness.missing.find(each => each.host === host)?.entries ?? entries
}

/** By the names that such simulations have always given them. */
function fields(result: TrialResult): string {
  const { cs_history: history } = result
  const shown = history.slice(0, ENTRIES_SHOWN).map(pair => `[${pair.join(', ')}]`)
  const more = history.length - shown.length
  const rest = more > 0 ? `, … ${more.toLocaleString('en')} more` : ''
  const counts = Object.entries(result.message_count)
  const messages = counts.slice(0, HOSTS_SHOWN).map(([host, count]) => `${host}: ${count}`)
  const others = counts.length > messages.length ? ', …' : ''
  return [
    `cs_history: [${shown.join(', ')}${rest}]`,
    `shared_counter: ${result.shared_counter}`,
    `message_count: {${messages.join(', ')}${others}}`,
    `total_messages: ${result.total_messages}`,
    `execution_time: ${result.execution_time}`,
  ].join('\n')
}

function describeDatagrams({ sent, lost, duplicated }: Datagrams): string {
  const figures = [sent, lost, duplicated].map(each => each.toLocaleString('en'))
  return (
    `The network was given ${figures[0]} datagrams, heartbeats and acknowledgements among them; ` +
    `it lost ${figures[1]},\nand made ${figures[2]} copies.`
  )
}

function verdictText(asked: Asked, verdict: Verdict, isColoured: boolean): string {
  const { passed, safety, liveness, fairness, violations } = verdict
  const mark = (good: boolean): Cell =>
    good ? { text: 'pass', colour: 'green' } : { text: 'FAIL', colour: 'red' }
  const done = `${liveness.entries.toLocaleString('en')} of ${liveness.expected.toLocaleString('en')} entries`
  const waits = fairness.waitedForMost
  const wait =
    waits === null
      ? ''
      : `; once known to all, nobody waited for more than ${counted(waits, 'other')}`
  const rows: Cell[][] = [
    [{ text: passed ? 'PASS' : 'FAIL', colour: passed ? 'green' : 'red' }],
    ['  safety', mark(safety.passed), safetyText(verdict, asked)],
    ['  liveness', mark(liveness.passed), `${done}${killedText(liveness.missing)}`],
    ['  fairness', mark(fairness.passed), `Jain's index ${fairness.jain.toFixed(4)}${wait}`],
  ]
  const problems = [...safety.problems, ...violations]
  const lines = [
    ...problems.slice(0, PROBLEMS_SHOWN),
    ...(problems.length > PROBLEMS_SHOWN ? [`… ${problems.length - PROBLEMS_SHOWN} more`] : []),
    ...liveness.missing.map(missingText),
  ]
  return [table(rows, isColoured), ...lines.map(line => `  ! ${line}`)].join('\n')
}

function safetyText({ safety, liveness }: Verdict, { hosts }: Asked): string {
  if (!safety.passed) return 'see below'
  if (hosts === 1) return 'one host alone is never two at once'
  return `never two inside, in the order of requests, and the counter is ${liveness.entries}`
}

function killedText(missing: readonly Missing[]): string {
  const killed = missing.filter(each => each.killedAtMs !== null).map(each => each.host)
  return killed.length === 0 ? '' : `, without what host ${killed.join(', ')} was killed before`
}

/** Names a host that is missing. */
export function missingText({ host, entries, expected, killedAtMs }: Missing): string {
  const done = `host ${host} entered ${entries} of ${expected} times`
  if (entries > expected) return `${done}, which is too often`
  return killedAtMs === null
    ? `${done}, though it was up`
    : `${done}: it was killed at ${killedAtMs / 1000} s`
}

/** One line to go on with. */
function next(asked: Asked, { passed, liveness }: Verdict): string {
  const { hosts, entries, kills, isReal, svg, trace } = asked
  const line = `lamportctl simulate --hosts ${hosts} --entries ${Math.max(entries, 10)}`
  const dead = liveness.missing.filter(each => each.killedAtMs !== null).length
  if (!passed && 2 * dead >= hosts)
    return `Next: more than half of the hosts must be up, and ${hosts - dead} of ${hosts} are not that: kill fewer.`
  if (!passed)
    return `Next: look at what happened: add --trace run.jsonl, and lamportctl diagram run.jsonl.`
  const late = kills.length - dead
  if (late > 0)
    return `Next: all had been served before ${late === 1 ? 'a host was' : `${late} hosts were`} to be killed: add --hold 100ms.`
  if (isReal) return `Next: ${line} --loss 30% does it with a network that loses.`
  if (asked.loss + asked.duplicate + asked.reorder === 0)
    return `Next: ${line} --loss 30% --duplicate 30% --reorder 30%\nspoils the network; the messages stay as many.`
  if (svg === undefined && hosts <= 40) return `Next: add --svg run.svg to see it, in any browser.`
  if (dead === 0) return `Next: ${line} --hold 100ms --kill 1@300ms lets a host die.`
  return trace === undefined
    ? `Next: add --trace run.jsonl, and see each message with lamportctl diagram run.jsonl.`
    : `Next: lamportctl diagram ${trace} shows each message.`
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

function percent(chance: number): string {
  return `${Math.round(chance * 1000) / 10} %`
}
