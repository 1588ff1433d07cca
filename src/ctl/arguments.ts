/** An option of a command. A `list` may be given several times; of the others the last counts. */
export type OptionSpec = {
  readonly type: 'flag' | 'text' | 'list'
  readonly alias?: readonly string[]
  readonly describe: string
  /** What stands for the value in the help. */
  readonly value?: string
}

/** What a command takes, and what its `--help` says. */
export type CommandSpec = {
  readonly name: string
  /** Lines of usage, without the program's name. */
  readonly usage: readonly string[]
  readonly summary: string
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples: readonly (readonly [command: string, meaning: string])[]
  readonly notes?: string
  /**
   * Where options may stand. `first` (the default): before the first operand, as in flock(1).
   * `anywhere`: also behind operands. `before-command`: likewise, up to a `--` and a command.
   */
  readonly order?: 'first' | 'anywhere' | 'before-command'
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
const GLOBAL: Readonly<Record<string, OptionSpec>> = {
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

  #given(name: string): readonly unknown[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value : [value]
  }
}

/**
 * Reads what follows the name of a command, options first: what follows the first operand is
 * operands too, as in flock(1), for it may be a command with options of its own.
 */
export async function parseArguments(spec: CommandSpec, given: readonly string[]): Promise<Parsed> {
  const changed = changedArgument(given)
  if (changed !== undefined) return { type: 'usage', problem: changed }
  const [args, command] =
    spec.order === 'before-command' ? splitAtDashes(given) : [given, undefined]
  // Not before: it opens stdout as it loads, and `lock` must look at what is open first.
  const { default: yargs } = await import('yargs')
  let problem: string | undefined
  const parser = yargs(undotted(spec, args))
    .parserConfiguration({
      'halt-at-non-option': (spec.order ?? 'first') === 'first',
      'parse-positional-numbers': false,
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
    })
    .locale('en')
    .scriptName('lamportctl')
    .help(false)
    .version(false)
    .exitProcess(false)
    .usage(usageText(spec))
    .options(yargsOptions({ ...spec.options, ...GLOBAL }))
    .example(spec.examples.map(([command, meaning]) => [command, meaning] as [string, string]))
    .epilogue(spec.notes ?? '')
    .strictOptions()
    .fail((message, error) => (problem ??= message || error.message))
  const values: Readonly<Record<string, unknown>> = await parser.parseAsync()
  const options = new Options(values)
  if (problem === undefined && options.flag('help')) {
    const columns = Math.min(process.stdout.columns || 90, 100)
    return { type: 'help', text: await parser.wrap(columns).getHelp() }
  }
  if (problem === undefined && options.flag('version')) return { type: 'version' }
  if (problem !== undefined) return { type: 'usage', problem: rephrased(problem) }
  return { type: 'given', options, operands: new Options(values).list('_'), command }
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
 * yargs takes `-w.5` for a path into an object. Only options are looked at: what follows the first
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

function usageText(spec: CommandSpec): string {
  const lines = spec.usage.map((line, at) => `${at === 0 ? 'Usage:' : '   or:'} lamportctl ${line}`)
  return `${lines.join('\n')}\n\n${spec.summary}`
}

type YargsOption = {
  type: 'boolean' | 'string'
  alias: readonly string[]
  describe: string
  requiresArg?: true
}

function yargsOptions(specs: Readonly<Record<string, OptionSpec>>): Record<string, YargsOption> {
  const options: Record<string, YargsOption> = {}
  for (const [name, { type, alias = [], describe, value }] of Object.entries(specs)) {
    const text = value === undefined ? describe : `${value}: ${describe}`
    options[name] =
      type === 'flag'
        ? { type: 'boolean', alias, describe: text }
        : { type: 'string', alias, describe: text, requiresArg: true }
  }
  return options
}

/** What yargs says, in this program's words. */
function rephrased(problem: string): string {
  const unknown = /^Unknown arguments?: (.*)$/.exec(problem)?.[1]
  if (unknown !== undefined) return `unknown option ${unknown.split(', ').map(dashed).join(', ')}`
  const lacking = /^Not enough arguments following: (.*)$/.exec(problem)?.[1]
  if (lacking !== undefined) return `the option ${dashed(lacking)} needs a value`
  return problem
}

function dashed(option: string): string {
  return option.length === 1 ? `-${option}` : `--${option}`
}
