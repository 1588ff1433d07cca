import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, stream } from '../output.ts'

const FORMATS = ['text', 'svg', 'html', 'shiviz'] as const
type Format = (typeof FORMATS)[number]

/** Where nobody says how wide the terminal is. */
const COLUMNS = 100

const SPEC: CommandSpec = {
  name: 'diagram',
  usage: ['diagram TRACE... [-o FILE]', 'diagram - < TRACE'],
  summary:
    'Draws a space-time diagram of traces, of one host or of several: every message, queue and ' +
    'critical section, from the causes to their effects.',
  options: {
    output: {
      type: 'text',
      alias: ['o'],
      value: 'FILE',
      describe:
        'write FILE: a picture (.svg), a page (.html), a log for ShiViz (.shiviz), text (.txt)',
    },
    format: {
      type: 'text',
      value: 'FORMAT',
      choices: FORMATS,
      describe: 'text, svg, html or shiviz, where FILE does not say; without both: text',
    },
    shiviz: { type: 'flag', describe: 'the same as --format shiviz' },
    lock: { type: 'list', value: 'NAME', describe: 'only this lock (may be given several times)' },
    all: { type: 'flag', describe: 'also messages of views and of variables' },
    title: { type: 'text', value: 'TEXT', describe: 'the title of a picture or page' },
  },
  examples: [
    ['lamportctl trace > kitchen.trace', 'on each host, what happened there'],
    ['lamportctl diagram *.trace', 'all of them, as text'],
    ['lamportctl diagram *.trace -o run.html', 'a page: move, zoom, point, or step by keys'],
    ['lamportctl diagram *.trace -o run.svg --lock backup', 'a picture of one lock'],
    ['lamportctl trace | lamportctl diagram - | less -S', 'this host alone'],
  ],
  notes:
    'Clocks of hosts are not compared: events are ordered by messages and Lamport times, equal times ' +
    'by host id. Times are counted from the first event shown. Along the lines stand the queue, ' +
    '[3@1 1@2], and who has REPLIED, {1,2}. A host of which no trace is given is drawn as the ' +
    'others know it. In ShiViz, paste the log and keep the expression that it offers: ' +
    '(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*}).',
  exits: [['65', 'a TRACE is not one, or lacks the lock']],
  isOffline: true,
  order: 'anywhere',
}

/** Traces as a picture. */
export const diagram: Command = command(SPEC, async (options, operands) => {
  if (operands.length === 0) {
    return usageError('diagram', 'diagram takes one TRACE at least (- is stdin)')
  }
  const format = formatOf(options)
  if (typeof format !== 'string') return usageError('diagram', format.problem)
  const output = options.text('output')
  const files: { name: string; text: string }[] = []
  for (const name of operands) {
    try {
      const text = readFileSync(name === '-' ? 0 : name, 'utf8')
      files.push({ name: name === '-' ? 'stdin' : name, text })
    } catch (error) {
      complain(`${name} cannot be read: ${codeOf(error)} (give files that lamportctl trace wrote)`)
      return Exit.output
    }
  }
  const { render } = await import('../../diagram/render.ts')
  const rendered = render(files, {
    format,
    title: options.text('title'),
    columns: process.stdout.columns || COLUMNS,
    locks: options.list('lock'),
    all: options.flag('all'),
    hash: text => createHash('sha256').update(text).digest('base64'),
  })
  if ('problem' in rendered) {
    complain(rendered.problem)
    return Exit.data
  }
  if (output === undefined) {
    stream(rendered.output)
    return Exit.done
  }
  try {
    writeFileSync(output, rendered.output)
  } catch (error) {
    complain(`${output} cannot be written: ${codeOf(error)} (choose another with -o)`)
    return Exit.output
  }
  return Exit.done
})

function formatOf(options: Options): Format | { readonly problem: string } {
  const said = options.flag('shiviz') ? 'shiviz' : options.text('format')
  const known = FORMATS.find(format => format === said)
  if (said !== undefined) {
    return known ?? { problem: `--format is ${JSON.stringify(said)} (write ${FORMATS.join(', ')})` }
  }
  const output = options.text('output')
  if (output === undefined) return 'text'
  const ending = /\.(\w+)$/.exec(output)?.[1] ?? ''
  const byEnding = { txt: 'text', svg: 'svg', html: 'html', htm: 'html', shiviz: 'shiviz' } as const
  if (Object.hasOwn(byEnding, ending)) return byEnding[ending as keyof typeof byEnding]
  return {
    problem: `what ${output} shall be is not clear (end it in .svg or .html, or add --format)`,
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
