import { SIMULATION_RULES, type SimulationRules } from './simulation.ts'
import { simulatorOf, type RunResult, type Simulator } from './runs.ts'

/** How `npm run sim` is called. */
export const SIM_USAGE: string = `usage: npm run sim -- [--seeds FIRST..LAST] [--mode MODE] [--hosts N] [--break RULE] [--verbose]
  --seeds 1..20000   one run each; the same seed is the same run, to the last bit
  --mode all         depth: whole nodes, with transport, disks and clients; breadth: their protocol
                     above ideal channels; all: one seed in six by depth, the rest by breadth
  --hosts 3          else the number of hosts is drawn as well
  --break RULE       switch a rule off, and see that it is noticed: ${Object.keys(SIMULATION_RULES).join(', ')}
  --verbose          a line a seed`

export type Mode = Simulator | 'all'

const MODES: readonly Mode[] = ['depth', 'breadth', 'all']

export type SimArguments = {
  readonly first: number
  readonly last: number
  readonly mode: Mode
  readonly hosts: number | undefined
  readonly broken: keyof SimulationRules | undefined
  readonly rules: SimulationRules
  readonly isVerbose: boolean
}

export type Mistake = { readonly mistake: string }

const SEEDS_DEFAULT = '1..100'
const HOSTS_MAX = 100

/** Reads the options of the command line. */
export function parseSimArguments(values: {
  readonly seeds?: string | undefined
  readonly mode?: string | undefined
  readonly hosts?: string | undefined
  readonly break?: string | undefined
  readonly verbose?: boolean | undefined
}): SimArguments | Mistake {
  const seeds = /^(\d+)(?:\.\.(\d+))?$/.exec(values.seeds ?? SEEDS_DEFAULT)
  if (seeds === null)
    return { mistake: `--seeds ${values.seeds ?? ''}: not a range of numbers (write 1..1000)` }
  const first = Number(seeds[1])
  const last = Number(seeds[2] ?? seeds[1])
  if (last < first)
    return { mistake: `--seeds ${first}..${last}: the last precedes the first (turn them round)` }
  const mode = MODES.find(each => each === (values.mode ?? 'all'))
  if (mode === undefined)
    return { mistake: `--mode ${values.mode ?? ''}: no such mode (there are ${MODES.join(', ')})` }
  const hosts = values.hosts === undefined ? undefined : Number(values.hosts)
  if (hosts !== undefined && !(Number.isInteger(hosts) && hosts >= 2 && hosts <= HOSTS_MAX))
    return { mistake: `--hosts ${values.hosts ?? ''}: not a number from 2 to ${HOSTS_MAX}` }
  const broken = values.break
  if (broken !== undefined && !isRule(broken))
    return {
      mistake: `--break ${broken}: no such rule (there are ${Object.keys(SIMULATION_RULES).join(', ')})`,
    }
  return {
    first,
    last,
    mode,
    hosts,
    broken,
    rules: broken === undefined ? SIMULATION_RULES : { ...SIMULATION_RULES, [broken]: false },
    isVerbose: values.verbose ?? false,
  }
}

function isRule(name: string): name is keyof SimulationRules {
  return Object.hasOwn(SIMULATION_RULES, name)
}

/** Violations of one seed that are printed; the rest follow from them. */
const VIOLATIONS_SHOWN = 3

/** Who runs a seed. */
export function simulatorFor({ mode }: SimArguments, seed: number): Simulator {
  return mode === 'all' ? simulatorOf(seed) : mode
}

/** Adds results up, in whatever order the threads bring them. */
export class Tally {
  readonly #options: SimArguments
  readonly #sums = new Map<Simulator, Sum>()
  #seeds = 0
  #hasFailed = false

  constructor(options: SimArguments) {
    this.#options = options
  }

  get headline(): string {
    const { first, last, mode, hosts, broken } = this.#options
    const size = hosts === undefined ? '' : `, ${hosts} hosts`
    return `seeds ${first}..${last}, ${mode}${size}${broken === undefined ? '' : `, without ${broken}`}`
  }

  /** The last lines: what each simulator did, and then the seeds once more. */
  get summary(): readonly string[] {
    const sums = [...this.#sums.values()]
    const of = (key: 'grants' | 'violations' | 'stuck'): number =>
      sums.reduce((total, sum) => total + sum[key], 0)
    return [
      ...[...this.#sums].map(([simulator, sum]) => `${simulator}: ${describe(sum)}`),
      `${this.headline}: ${this.#seeds} runs, ${of('grants')} grants, ` +
        `${of('violations')} violations, ${of('stuck')} stuck`,
    ]
  }

  /** Every seed ran, each simulator granted something, nothing was violated: 0 of 0 is no success. */
  get isClean(): boolean {
    const { first, last } = this.#options
    const sums = [...this.#sums.values()]
    const isWhole = this.#seeds === last - first + 1 && sums.every(sum => sum.grants > 0)
    const isRight = sums.every(sum => sum.violations === 0 && sum.stuck === 0)
    return isWhole && isRight && !this.#hasFailed
  }

  /** A thread ended with an error. */
  fail(): void {
    this.#hasFailed = true
  }

  /** Lines to print about one result. */
  add(result: RunResult): readonly string[] {
    const { simulator, seed, hosts, violations, isStuck, grants, counts, hash } = result
    this.#seeds += 1
    const sum = this.#sums.get(simulator) ?? { ...NOTHING, counts: {} }
    this.#sums.set(simulator, sum)
    sum.runs += 1
    sum.grants += grants
    sum.violations += violations.length
    sum.stuck += isStuck ? 1 : 0
    for (const [key, count] of Object.entries(counts))
      sum.counts[key] = (sum.counts[key] ?? 0) + count
    const lines: string[] = []
    const name = `seed ${seed} (${simulator}, ${hosts} hosts)`
    if (this.#options.isVerbose)
      lines.push(`${name}: ${listed(counts)}${hash === undefined ? '' : `, hash ${hash}`}`)
    for (const { at, text } of violations.slice(0, VIOLATIONS_SHOWN))
      lines.push(`${name} at ${at.toFixed(3)} ms: ${text}`)
    if (violations.length > VIOLATIONS_SHOWN)
      lines.push(`${name}: and ${violations.length - VIOLATIONS_SHOWN} more violations`)
    if (isStuck) lines.push(`${name}: stuck`)
    if (violations.length > 0 || isStuck) lines.push(`again: ${this.#again(result)}`)
    return lines
  }

  #again({ seed, simulator }: RunResult): string {
    const { hosts, broken } = this.#options
    const size = hosts === undefined ? '' : ` --hosts ${hosts}`
    const rule = broken === undefined ? '' : ` --break ${broken}`
    return `npm run sim -- --seeds ${seed} --mode ${simulator}${size}${rule} --verbose`
  }
}

type Sum = {
  runs: number
  grants: number
  violations: number
  stuck: number
  readonly counts: Record<string, number>
}

const NOTHING = { runs: 0, grants: 0, violations: 0, stuck: 0 }

function describe({ runs, counts, violations, stuck }: Sum): string {
  return `${runs} runs, ${listed(counts)}, ${violations} violations, ${stuck} stuck`
}

/** `diskLosses` reads `disk losses`. */
function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([key, count]) => {
      const words = key.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
      return `${Math.round(count)} ${words}`
    })
    .join(', ')
}
