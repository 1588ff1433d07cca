import parser from 'yargs-parser'
import { nearest } from '../lib/nearest.ts'
import { dashed, HELP_COLUMNS, helpText, type ExitMeaning } from './help.ts'

/** An option of a command. A `list` may be given several times; of the others the last counts. */
export type OptionSpec = {
  readonly type: 'flag' | 'text' | 'list'
  readonly alias?: readonly string[]
  readonly describe: string
  /** What stands for the value in the help. */
  readonly value?: string
  /** What it may be, where that can be listed: for completion, and the advice after a typo. */
  readonly choices?: readonly string[]
}

/**
 * What may stand as an operand: names that lamportd knows (of locks, of those that `acquire` took, of
 * what `once` has run, of variables, and of what they begin with), a file, a command with words of its
 * own, or one of a few words.
 */
export type Operand =
  'lock' | 'held' | 'once' | 'variable' | 'prefix' | 'file' | 'command' | readonly string[]

/** What a command takes, and what its `--help` says. */
export type CommandSpec = {
  readonly name: string
  /** Lines of usage, without the program's name. */
  readonly usage: readonly string[]
  readonly summary: string
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples: readonly (readonly [command: string, meaning: string])[]
  readonly notes?: string
  /** Exit codes beside those of every command, or in their place. */
  readonly exits?: readonly ExitMeaning[]
  /** It asks no daemon. */
  readonly isOffline?: true
  /** Options of other programs that people try here, and what to do instead. */
  readonly instead?: Readonly<Record<string, string>>
  /**
   * Where options may stand. `first` (the default): before the first operand, as in flock(1).
   * `anywhere`: also behind operands. `before-command`: likewise, up to a `--` and a command.
   */
  readonly order?: 'first' | 'anywhere' | 'before-command'
  /** What its operands are, for completion; absent: files. */
  readonly operands?: readonly Operand[]
}

/** What was found on the command line. */
export type Parsed =
  | { readonly type: 'help'; readonly text: string }
  | { readonly type: 'version' }
  | { readonly type: 'usage'; readonly problem: string }
  | {
      readonly type: 'given'
      readonly options: Options
      readonly operands: readonly string[]
      /** What follows `--`, where the command takes one. */
      readonly command: readonly string[] | undefined
    }

/** The options of every command. */
export const GLOBAL: Readonly<Record<string, OptionSpec>> = {
  socket: {
    type: 'text',
    value: 'PATH',
    describe: "the daemon's control socket (else $LAMPORT_SOCKET, else its usual place)",
  },
  json: { type: 'flag', describe: 'JSON instead of text' },
  help: { type: 'flag', alias: ['h'], describe: 'show this help' },
  version: { type: 'flag', describe: 'show the version' },
}

/** The options as given. */
export class Options {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  flag(name: string): boolean {
    return this.#given(name).at(-1) === true
  }

  text(name: string): string | undefined {
    const value = this.#given(name).at(-1)
    return typeof value === 'string' ? value : undefined
  }

  list(name: string): readonly string[] {
    return this.#given(name).filter(value => typeof value === 'string')
  }

  /** For a reader that takes one of them to mean something else. */
  without(name: string): Options {
    return new Options({ ...this.#values, [name]: undefined })
  }

  #given(name: string): readonly unknown[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value : [value]
  }
}

/**
 * Reads what follows the name of a command, options first: what follows the first operand is
 * operands too, as in flock(1), for it may be a command with options of its own.
 */
export function parseArguments(spec: CommandSpec, given: readonly string[]): Parsed {
  const changed = changedArgument(given)
  if (changed !== undefined) return { type: 'usage', problem: changed }
  const [args, command] =
    spec.order === 'before-command' ? splitAtDashes(given) : [given, undefined]
  const specs = { ...spec.options, ...GLOBAL }
  const { argv, error } = parser.detailed(undotted(spec, args), {
    ...parserOptions(specs),
    configuration: {
      'halt-at-non-option': (spec.order ?? 'first') === 'first',
      'parse-positional-numbers': false,
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
    },
  })
  const values: Readonly<Record<string, unknown>> = argv
  const options = new Options(values)
  const problem =
    valuedFlag(spec, specs, args) ?? unknownOption(spec, specs, values) ?? lackingValue(error)
  if (problem !== undefined) return { type: 'usage', problem }
  if (options.flag('help')) {
    const columns = Math.min(process.stdout.columns || HELP_COLUMNS, HELP_COLUMNS)
    return { type: 'help', text: helpText(spec, specs, columns) }
  }
  if (options.flag('version')) return { type: 'version' }
  return { type: 'given', options, operands: options.list('_'), command }
}

function splitAtDashes(
  args: readonly string[],
): [before: readonly string[], command: readonly string[] | undefined] {
  const at = args.indexOf('--')
  return at === -1 ? [args, undefined] : [args.slice(0, at), args.slice(at + 1)]
}

/** Node reads arguments as UTF-8 and replaces what is not: the command would get another one. */
function changedArgument(args: readonly string[]): string | undefined {
  const changed = args.find(arg => arg.includes('\ufffd'))
  if (changed === undefined) return undefined
  return `the argument ${JSON.stringify(changed)} is not valid UTF-8 (write it in UTF-8)`
}

/**
 * The parser takes `-w.5` for a path into an object. Only options are looked at: what follows the first
 * operand is not ours.
 */
function undotted(spec: CommandSpec, args: readonly string[]): string[] {
  const valued = new Set<string>()
  for (const [name, { type, alias = [] }] of Object.entries({ ...spec.options, ...GLOBAL })) {
    if (type !== 'flag') for (const letters of [name, ...alias]) valued.add(dashed(letters))
  }
  const changed = [...args]
  for (let at = 0; at < changed.length; at++) {
    const arg = changed[at] ?? ''
    if (!arg.startsWith('-') || arg === '-' || arg === '--') break
    if (valued.has(arg)) at++
    else if (/^-\w\./.test(arg)) changed[at] = `${arg.slice(0, 2)}=${arg.slice(2)}`
  }
  return changed
}

type Specs = Readonly<Record<string, OptionSpec>>

function parserOptions(specs: Specs): parser.Options {
  const alias: Record<string, string[]> = {}
  const [boolean, string]: [string[], string[]] = [[], []]
  const narg: Record<string, number> = {}
  for (const [name, { type, alias: letters = [] }] of Object.entries(specs)) {
    alias[name] = [...letters]
    if (type === 'flag') boolean.push(name)
    else {
      string.push(name)
      narg[name] = 1
    }
  }
  return { alias, boolean, string, narg }
}

/** The parser would take `--local=maybe` for its contrary. */
function valuedFlag(
  { order = 'first' }: CommandSpec,
  specs: Specs,
  args: readonly string[],
): string | undefined {
  for (const arg of args) {
    if (arg === '--') return undefined
    const name = /^--([^=]+)=/.exec(arg)?.[1]
    if (name !== undefined && specs[name]?.type === 'flag') return `--${name} takes no value`
    if (order === 'first' && !arg.startsWith('-')) return undefined
  }
  return undefined
}

function unknownOption(
  spec: CommandSpec,
  specs: Specs,
  values: Readonly<Record<string, unknown>>,
): string | undefined {
  const known = Object.entries(specs).flatMap(([name, { alias = [] }]) => [name, ...alias])
  const unknown = Object.keys(values).find(key => key !== '_' && !known.includes(key))
  if (unknown === undefined) return undefined
  const what = `unknown option ${dashed(unknown)}`
  const instead = spec.instead?.[unknown]
  if (instead !== undefined) return `${what} (${instead})`
  const long = known.filter(name => name.length > 1)
  const near = unknown.length > 1 ? nearest(unknown, long) : undefined
  if (near !== undefined) return `${what} (did you mean ${dashed(near)}?)`
  if ((spec.order ?? 'first') === 'first') return what
  const hint = 'what begins with - and is none goes behind --'
  return `${what} (${hint}; see lamportctl ${spec.name} --help)`
}

function lackingValue(error: Error | null): string | undefined {
  if (error === null) return undefined
  const lacking = /^Not enough arguments following: (.*)$/.exec(error.message)?.[1]
  return lacking === undefined ? error.message : `the option ${dashed(lacking)} needs a value`
}
