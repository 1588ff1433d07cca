import { GLOBAL, type CommandSpec, type Operand, type OptionSpec } from '../arguments.ts'
import { dashed } from '../help.ts'

/** What the last word of a line may be. */
export type Wanted =
  | { readonly type: 'command' }
  | { readonly type: 'option'; readonly specs: Specs; readonly given: ReadonlySet<string> }
  /** `before` stands in the same word: `--and=`. */
  | { readonly type: 'operand'; readonly operand: Operand; readonly before: string }
  /** It belongs to another command, which begins with the word of this number. */
  | { readonly type: 'other'; readonly at: number }
  | { readonly type: 'nothing' }

/** What was found on the line before it. */
export type Looked = {
  readonly wanted: Wanted
  /** As `--socket` says. */
  readonly socket: string | undefined
  readonly isForced: boolean
}

type Specs = Readonly<Record<string, OptionSpec>>

/** By what stands for the value of an option in the help; the others are not known to anybody. */
const VALUES: Readonly<Record<string, Operand>> = {
  NAME: 'lock',
  PATH: 'file',
  FILE: 'file',
  DIR: 'file',
  SIG: ['TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'KILL'],
}

/** Looks what is to be completed; `words` follow the program's name, the last one has just begun. */
export async function lookAt(
  words: readonly string[],
  load: (name: string) => Promise<CommandSpec | undefined>,
): Promise<Looked> {
  const line = new Line(words)
  const name = line.commandName()
  if (name === undefined || name === 'help') return line.looked(line.beforeCommand(name))
  const spec = await load(name)
  return line.looked(spec === undefined ? { type: 'nothing' } : line.behindCommand(spec))
}

/** One line, read once from the left. */
class Line {
  readonly #before: readonly string[]
  readonly #current: string
  readonly #given = new Set<string>()
  #socket: string | undefined
  #awaiting: OptionSpec | undefined
  #at = 0

  constructor(words: readonly string[]) {
    this.#before = words.slice(0, -1)
    this.#current = words.at(-1) ?? ''
  }

  looked(wanted: Wanted): Looked {
    return { wanted, socket: this.#socket, isForced: this.#given.has('force') }
  }

  /** The command's name, if it stands there whole; what follows it is read next. */
  commandName(): string | undefined {
    for (; this.#at < this.#before.length; this.#at++) {
      const word = this.#before[this.#at] ?? ''
      if (this.#awaiting !== undefined) this.#take(word)
      else if (word.startsWith('-')) this.#option(word, GLOBAL)
      else return this.#before[this.#at++]
    }
    return undefined
  }

  beforeCommand(name: string | undefined): Wanted {
    if (this.#awaiting !== undefined) return this.#value(this.#awaiting, '')
    if (name === 'help') return { type: this.#at < this.#before.length ? 'nothing' : 'command' }
    return this.#current.startsWith('-') ? this.#options(GLOBAL) : { type: 'command' }
  }

  behindCommand(spec: CommandSpec): Wanted {
    const specs = { ...spec.options, ...GLOBAL }
    const order = spec.order ?? 'first'
    let operands = 0
    let isOver = false
    for (; this.#at < this.#before.length; this.#at++) {
      const word = this.#before[this.#at] ?? ''
      if (this.#awaiting !== undefined) this.#take(word)
      else if (isOver || word === '-' || !word.startsWith('-')) {
        operands++
        if (order === 'first') isOver = true
        if (spec.operands?.[operands] === 'command') return this.#command(this.#at + 1)
      } else if (word !== '--') this.#option(word, specs)
      else if (order === 'before-command') return { type: 'other', at: this.#at + 1 }
      else isOver = true
    }
    if (this.#awaiting !== undefined) return this.#value(this.#awaiting, '')
    if (!isOver && this.#current.startsWith('-')) return this.#options(specs)
    const operand = spec.operands === undefined ? 'file' : spec.operands[operands]
    return operand === undefined ? { type: 'nothing' } : { type: 'operand', operand, before: '' }
  }

  /** `COMMAND ARG...`, `-- COMMAND ARG...`, or `-c`, and a line for the shell. */
  #command(at: number): Wanted {
    const first = this.#before[at]
    if (first === '-c' || first === '--command') return { type: 'nothing' }
    return { type: 'other', at: first === '--' ? at + 1 : at }
  }

  #option(word: string, specs: Specs): void {
    const { name, option, value } = find(word, specs) ?? {}
    if (name === undefined || option === undefined) return
    this.#given.add(name)
    if (option.type === 'flag') return
    this.#awaiting = option
    if (value !== undefined) this.#take(value)
  }

  #take(value: string): void {
    if (this.#awaiting === GLOBAL.socket) this.#socket = value
    this.#awaiting = undefined
  }

  #options(specs: Specs): Wanted {
    const equals = this.#current.indexOf('=')
    if (equals === -1) return { type: 'option', specs, given: this.#given }
    const before = this.#current.slice(0, equals + 1)
    const option = find(before, specs)?.option
    return option === undefined ? { type: 'nothing' } : this.#value(option, before)
  }

  #value({ choices, value = '' }: OptionSpec, before: string): Wanted {
    const operand = choices ?? VALUES[value]
    return operand === undefined ? { type: 'nothing' } : { type: 'operand', operand, before }
  }
}

type FoundOption = {
  readonly name: string
  readonly option: OptionSpec
  /** Of `--name=value`, or `-w5`. */
  readonly value: string | undefined
}

/** The option of a word; of a cluster of letters the first that takes a value, or the last. */
function find(word: string, specs: Specs): FoundOption | undefined {
  const named = (letters: string): Omit<FoundOption, 'value'> | undefined => {
    for (const [name, option] of Object.entries(specs)) {
      if (name === letters || option.alias?.includes(letters) === true) return { name, option }
    }
    return undefined
  }
  if (word.startsWith('--')) {
    const [, letters = '', value] = /^--([^=]*)(?:=([^]*))?$/.exec(word) ?? []
    const found = letters.length > 1 ? named(letters) : undefined
    return found === undefined ? undefined : { ...found, value }
  }
  let last: FoundOption | undefined
  for (let at = 1; at < word.length; at++) {
    const found = named(word[at] ?? '')
    if (found === undefined) return last
    const rest = word.slice(at + 1)
    last = { ...found, value: rest === '' ? undefined : rest }
    if (found.option.type !== 'flag') return last
  }
  return last
}

/** What is written for each option that is not there yet; letters only where nothing is typed. */
export function optionWords(
  { specs, given }: Extract<Wanted, { type: 'option' }>,
  current: string,
): (readonly [word: string, about: string])[] {
  const left = Object.entries(specs).filter(
    ([name, { type }]) => type === 'list' || !given.has(name),
  )
  return left.flatMap(([name, { alias = [], describe }]) => {
    const names = current === '-' ? [...alias, name] : [name]
    return names.map(letters => [dashed(letters), describe] as const)
  })
}
