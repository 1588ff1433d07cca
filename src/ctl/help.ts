import type { CommandSpec, OptionSpec } from './arguments.ts'

/** An exit code, or several, and what it says. */
export type ExitMeaning = readonly [code: string, meaning: string]

/** As wide as help is where nobody says how wide the terminal is, and at most. */
export const HELP_COLUMNS = 90

/** Options, examples and codes are described from this column on, if there is room before it. */
const DESCRIBED_AT = 30

/** What every command can end with. */
const EXITS: readonly ExitMeaning[] = [
  ['0', 'done'],
  ['64', 'the command line is wrong'],
  ['69', 'lamportd cannot be reached, or has no majority of hosts'],
  ['70', 'a fault of lamportctl itself'],
  ['74', 'the output cannot be written'],
  ['77', 'no permission to use the control socket'],
]

/** Of a command that asks no daemon. */
const OFFLINE = ['69', '77']

/** All exit codes of a command, in order; what it says itself counts before what all say. */
export function exitsOf({ exits = [], isOffline }: CommandSpec): readonly ExitMeaning[] {
  const own = new Set(exits.map(([code]) => code))
  if (own.has('0..255')) own.add('0')
  const common = EXITS.filter(([code]) => !own.has(code))
  const kept = isOffline === true ? common.filter(([code]) => !OFFLINE.includes(code)) : common
  return [...exits, ...kept].sort(([a], [b]) => Number.parseInt(a) - Number.parseInt(b))
}

/** What `--help` prints: usage, options, examples, exit codes. */
export function helpText(
  spec: CommandSpec,
  options: Readonly<Record<string, OptionSpec>>,
  columns: number,
): string {
  const usage = spec.usage.map((line, at) => `${at === 0 ? 'Usage:' : '   or:'} lamportctl ${line}`)
  const sections = [
    usage.join('\n'),
    wrap(spec.summary, columns, ''),
    section('Options:', Object.entries(options).map(optionRow), columns),
    section('Examples:', spec.examples, columns),
    ...(spec.notes === undefined ? [] : [wrap(spec.notes, columns, '')]),
    section('Exit codes:', exitsOf(spec), columns),
  ]
  return sections.join('\n\n')
}

/** `-w, --wait, --timeout SECONDS`. */
export function flagsOf(name: string, { alias = [], value }: OptionSpec): string {
  const names = [name, ...alias].sort((a, b) => Math.min(a.length, 2) - Math.min(b.length, 2))
  const flags = names.map(dashed).join(', ')
  return value === undefined ? flags : `${flags} ${value}`
}

export function dashed(option: string): string {
  return option.length === 1 ? `-${option}` : `--${option}`
}

function optionRow([name, option]: readonly [string, OptionSpec]): readonly [string, string] {
  return [flagsOf(name, option), option.describe]
}

/** A title, and rows below it: what fits stands beside the first column, else below it. */
function section(
  title: string,
  rows: readonly (readonly [left: string, right: string])[],
  columns: number,
): string {
  const widest = Math.max(...rows.map(([left]) => left.length))
  const at = Math.min(DESCRIBED_AT, widest + 4)
  const lines = rows.map(([left, right]) => {
    if (right === '') return `  ${left}`
    const described = wrap(right, columns, ' '.repeat(at))
    if (left.length + 4 > at) return `  ${left}\n${described}`
    return `  ${left}${described.slice(left.length + 2)}`
  })
  return [title, ...lines].join('\n')
}

/** Lines of words, none longer than `columns`; lines that are there already stay apart. */
export function wrap(text: string, columns: number, indent: string): string {
  const lines: string[] = []
  for (const paragraph of text.split('\n')) {
    let line = ''
    for (const word of paragraph.split(' ')) {
      if (line !== '' && indent.length + line.length + 1 + word.length > columns) {
        lines.push(line)
        line = ''
      }
      line += line === '' ? word : ` ${word}`
    }
    lines.push(line)
  }
  return lines.map(line => (line === '' ? '' : indent + line)).join('\n')
}
