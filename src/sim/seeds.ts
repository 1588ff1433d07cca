import { SIMULATION_RULES, type SimulationRules } from './simulation.ts'
import type { Faults, SeedResult } from './swarm.ts'

/** How `npm run sim` is called. */
export const SIM_USAGE: string = `usage: npm run sim -- [--seeds FIRST..LAST] [--hosts N] [--break RULE] [--verbose]
  --seeds 1..1000    one run each; the same seed is the same run, to the last bit
  --hosts 3          else the number of hosts is drawn as well
  --break RULE       switch a rule off, and see that it is noticed: ${Object.keys(SIMULATION_RULES).join(', ')}
  --verbose          a line a seed`

export type SimArguments = {
  readonly first: number
  readonly last: number
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

/** Adds results up, in whatever order the threads bring them. */
export class Tally {
  readonly #options: SimArguments
  #seeds = 0
  #asked = 0
  #grants = 0
  #messages = 0
  readonly #faults: Record<keyof Faults, number> = {
    sent: 0,
    lost: 0,
    duplicated: 0,
    corrupted: 0,
    severed: 0,
    reboots: 0,
  }
  #violations = 0
  #stuck = 0
  #hasFailed = false

  constructor(options: SimArguments) {
    this.#options = options
  }

  get headline(): string {
    const { first, last, hosts, broken } = this.#options
    const size = hosts === undefined ? '' : `, ${hosts} hosts`
    return `seeds ${first}..${last}${size}${broken === undefined ? '' : `, without ${broken}`}`
  }

  /** The last line. */
  get summary(): string {
    const { sent, lost, duplicated, corrupted, severed, reboots } = this.#faults
    return (
      `${this.headline}: ${this.#seeds} runs, ${this.#grants} grants of ${this.#asked} asked, ` +
      `${this.#messages} messages, ${sent} datagrams (${lost} lost, ${duplicated} doubled, ` +
      `${corrupted} corrupted, ${severed} cut off), ${reboots} reboots, ` +
      `${this.#violations} violations, ${this.#stuck} stuck`
    )
  }

  /** Every seed ran and granted something, and nothing was violated: 0 of 0 is no success. */
  get isClean(): boolean {
    const { first, last } = this.#options
    const isWhole = this.#seeds === last - first + 1 && this.#grants > 0
    return isWhole && !this.#hasFailed && this.#violations === 0 && this.#stuck === 0
  }

  /** A thread ended with an error. */
  fail(): void {
    this.#hasFailed = true
  }

  /** Lines to print about one result. */
  add(result: SeedResult): readonly string[] {
    this.#seeds += 1
    this.#asked += result.asked
    this.#grants += result.grants
    this.#messages += result.messages
    for (const fault of Object.keys(this.#faults) as (keyof Faults)[])
      this.#faults[fault] += result.faults[fault]
    this.#violations += result.violations.length
    this.#stuck += result.isStuck ? 1 : 0
    const { seed, violations, isStuck } = result
    const lines: string[] = []
    if (this.#options.isVerbose)
      lines.push(
        `seed ${seed}: ${result.hosts.length} hosts, ${result.grants} grants, ${result.messages} messages, ${result.events} events, hash ${result.hash}`,
      )
    for (const { at, text } of violations.slice(0, VIOLATIONS_SHOWN))
      lines.push(`seed ${seed} at ${at.toFixed(3)} ms: ${text}`)
    if (violations.length > VIOLATIONS_SHOWN)
      lines.push(`seed ${seed}: and ${violations.length - VIOLATIONS_SHOWN} more violations`)
    if (isStuck) lines.push(`seed ${seed}: stuck after ${result.events} events`)
    if (violations.length > 0 || isStuck) lines.push(`again: ${this.#again(seed)}`)
    return lines
  }

  #again(seed: number): string {
    const { hosts, broken } = this.#options
    const size = hosts === undefined ? '' : ` --hosts ${hosts}`
    return `npm run sim -- --seeds ${seed}${size}${broken === undefined ? '' : ` --break ${broken}`} --verbose`
  }
}
