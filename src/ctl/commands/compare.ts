import type { Comparison, Figure } from '../../sim/comparison.ts'
import type { Load } from '../../sim/measuring.ts'
import type { Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'
import { hasColours, heading, table, type Cell } from '../table.ts'

const HOSTS = '3,5,7,9,13'
/** As many as the largest plane for Maekawa's quorums has points. */
const HOSTS_MAX = 73
const SEED = '1'
const LOADS: readonly Load[] = ['light', 'saturated']

/** The classic algorithms, measured beside theory. */
export const compare: Command = command(
  {
    name: 'compare',
    usage: ['compare [--hosts N,N,...] [--load light|saturated] [--seed S]'],
    summary:
      'Measures the classic algorithms for distributed mutual exclusion side by side in a simulator, ' +
      'beside what theory says: messages an entry, and times in message delays.',
    options: {
      hosts: {
        type: 'text',
        value: 'N,N,...',
        describe: `numbers of hosts, 2 to ${HOSTS_MAX} (else ${HOSTS})`,
      },
      load: {
        type: 'text',
        value: 'LOAD',
        choices: LOADS,
        describe: 'light: one request at a time; saturated: everybody always wants in (else both)',
      },
      seed: {
        type: 'text',
        value: 'S',
        describe: `a whole number that decides all chance (else ${SEED})`,
      },
    },
    isOffline: true,
    examples: [
      ['lamportctl compare', 'both loads, 3 to 13 hosts'],
      ['lamportctl compare --hosts 21 --load light', 'how they grow'],
      ['lamportctl --json compare --hosts 5', 'for programs, messages by type as well'],
    ],
    notes:
      'Lamport is the very code that lamportd runs. SYNC is the time from an exit to the next entry, ' +
      'RESPONSE from a request to its entry; a host stays inside for one message delay. ! marks what is ' +
      'not as theory says. At each entry it is checked that nobody else is inside, and in the end that ' +
      'nobody waits for ever; each algorithm also runs at random times with random delays for that. ' +
      'docs/compare.md explains the figures.',
    exits: [['1', 'a figure is not as theory says, or a promise was broken']],
    order: 'anywhere',
  },
  async (options, operands) => {
    const asked = parse(options, operands)
    if (typeof asked === 'string') return usageError('compare', asked)
    // Nothing else of lamportctl needs the simulator.
    const { compareAll, isAsTheorySays } = await import('../../sim/comparison.ts')
    const { loads, hosts, seed } = asked
    const results = compareAll(loads, hosts, seed)
    const isGood = results.every(each => isAsTheorySays(each) && each.violations.length === 0)
    if (options.flag('json')) printJson({ seed, results: results.map(resultJson) })
    else print(comparisonText(results, loads, hasColours(1)))
    return isGood ? Exit.done : Exit.differs
  },
)

type Asked = {
  readonly hosts: readonly number[]
  readonly loads: readonly Load[]
  readonly seed: number
}

function parse(options: Options, operands: readonly string[]): Asked | string {
  if (operands.length > 0) return `compare takes no operand: ${operands.join(' ')}`
  const hosts = (options.text('hosts') ?? HOSTS).split(',')
  const strange = hosts.find(each => !/^\d{1,3}$/.test(each) || +each < 2 || +each > HOSTS_MAX)
  if (strange !== undefined) {
    return `${JSON.stringify(strange)} is no number of hosts from 2 to ${HOSTS_MAX} (write --hosts ${HOSTS})`
  }
  const load = options.text('load')
  const loads = LOADS.filter(each => load === undefined || each === load)
  if (loads.length === 0) return `--load ${load ?? ''} is none (write --load ${LOADS.join(' or ')})`
  const seed = options.text('seed') ?? SEED
  if (!/^\d{1,9}$/.test(seed)) return `--seed ${seed} is no whole number (write --seed 7)`
  return { hosts: hosts.map(Number), loads, seed: Number(seed) }
}

const ABOUT: Readonly<Record<Load, string>> = {
  light: 'Light load: one request at a time.',
  saturated: 'Saturated: every host asks again as soon as it has left.',
}

/** Columns for a figure and its mark. */
const FIGURE = 8

/** A table a load, and what they mean. */
function comparisonText(
  results: readonly Comparison[],
  loads: readonly Load[],
  isColoured: boolean,
): string {
  const tables = loads.map(load => {
    const rows = rowsOf(results.filter(each => each.load === load))
    return `${ABOUT[load]}\n\n${table(rows, isColoured)}`
  })
  return [...tables, legend(results)].join('\n\n')
}

function rowsOf(results: readonly Comparison[]): Cell[][] {
  const hasHandovers = results.some(each => each.synchronisation !== undefined)
  const titles = ['MESSAGES', ...(hasHandovers ? ['SYNC'] : []), 'RESPONSE']
  const rows: Cell[][] = [
    heading('HOSTS', 'ALGORITHM', ...titles.flatMap(title => [title.padStart(FIGURE), 'THEORY'])),
  ]
  let hosts = 0
  for (const result of results) {
    const { messages, synchronisation, response } = result
    if (hosts !== 0 && hosts !== result.hosts) rows.push([])
    const figures = [
      messages,
      ...(synchronisation === undefined ? [] : [synchronisation]),
      response,
    ]
    rows.push([
      hosts === result.hosts ? '' : String(result.hosts).padStart(5),
      result.title,
      ...figures.flatMap(each => [measuredCell(each), each.theory.text]),
    ])
    hosts = result.hosts
  }
  return rows
}

/** Right-aligned; what is not as theory says has a mark before it. */
function measuredCell({ measured, isWithin }: Figure): Cell {
  const text = measured.toFixed(2)
  if (isWithin) return text.padStart(FIGURE)
  return { text: `! ${text}`.padStart(FIGURE), colour: 'red' }
}

function legend(results: readonly Comparison[]): string {
  const checked = results.reduce((sum, each) => sum + each.checked, 0)
  const violations = results.flatMap(({ title, hosts, violations: all }) =>
    all.map(violation => `! ${title}, ${hosts} hosts, ${violation}`),
  )
  const figures = results.flatMap(each => [each.messages, each.synchronisation, each.response])
  const strange = figures.filter(each => each?.isWithin === false).length
  return [
    'N hosts; K in a quorum, on average. SYNC: from an exit to the next entry. RESPONSE: from a',
    'request to its entry. Both in message delays; a host stays inside for one.',
    strange === 0
      ? 'Every figure is as theory says.'
      : `! marks what is not as theory says: ${strange} of ${figures.length} figures.`,
    violations.length === 0
      ? `${checked} entries, never two inside, and nobody waited for ever.`
      : violations.join('\n'),
  ].join('\n')
}

/** As docs/json.md has it. */
function resultJson(result: Comparison): unknown {
  const { algorithm, load, hosts, quorum, entries, types, checked, violations } = result
  const { messages, synchronisation, response } = result
  return {
    ...{ algorithm, load, hosts, quorum: quorum ?? null, entries },
    messages: figureJson(messages),
    types,
    synchronisation: synchronisation === undefined ? null : figureJson(synchronisation),
    response: figureJson(response),
    ...{ checked, violations },
  }
}

/** What has no upper bound has null. */
function figureJson({ measured, theory, isWithin }: Figure): unknown {
  const { text, min, max } = theory
  return { measured, theory: text, min, max: max === Infinity ? null : max, within: isWithin }
}
