import type { Load } from '../../sim/measuring.ts'
import type { Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { comparisonText, resultJson } from '../comparison-text.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'
import { hasColours } from '../table.ts'

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
