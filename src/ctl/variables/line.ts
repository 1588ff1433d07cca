import { checkName } from '../../control/names.ts'
import { VALUE_BYTES_MAX } from '../../control/protocol.ts'
import type { Options, OptionSpec } from '../arguments.ts'
import type { ExitMeaning } from '../help.ts'
import { asking } from '../command.ts'
import { Variables } from './access.ts'

type Problem = { readonly problem: string }

export const WAIT: OptionSpec = {
  type: 'text',
  alias: ['w'],
  value: 'SECONDS',
  describe: 'wait at most so long for a majority of hosts (else 5)',
}

export const IF: OptionSpec = {
  type: 'text',
  value: 'VERSION',
  describe: 'only while it has this version (0: only if it was never set); else exit 1',
}

/** Exit codes of what is written. */
export const WRITE_EXITS: readonly ExitMeaning[] = [
  ['0', 'written'],
  ['1', 'not written: it has another version (--if), or set --create found it set'],
  ['69', 'lamportd cannot be reached, or no majority: nothing was written'],
  ['76', 'no answer: it may still take effect, and what was seen last is said'],
]

/** One name and nothing else, or what is wrong. */
export function oneName(command: string, operands: readonly string[]): { name: string } | Problem {
  const [name, ...more] = operands
  if (name === undefined || more.length > 0) return { problem: `${command} takes one NAME` }
  const problem = checkName(name)
  return problem === undefined ? { name } : { problem }
}

/** `--wait`, in milliseconds. */
export function waitOf(options: Options): { waitMs: number | undefined } | Problem {
  const text = options.text('wait')
  if (text === undefined) return { waitMs: undefined }
  if (/^(\d{1,6}(\.\d*)?|\.\d+)$/.test(text)) return { waitMs: Number(text) * 1000 }
  return { problem: `--wait ${JSON.stringify(text)} is no number of seconds (write 5, or 0.5)` }
}

/** `--if`. */
export function versionOf(options: Options): { ifVersion: number | undefined } | Problem {
  const text = options.text('if')
  if (text === undefined) return { ifVersion: undefined }
  const version = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(version)) return { ifVersion: version }
  return { problem: `--if ${JSON.stringify(text)} is no version (lamportctl vars shows them)` }
}

/** Connects, works, and closes behind it. */
export async function withVariables<T>(
  options: Options,
  work: (variables: Variables) => Promise<T>,
): Promise<T> {
  const variables = await Variables.open(options.text('socket'))
  try {
    return await work(variables)
  } finally {
    await variables.close()
  }
}

/** What must be said where this host may not know all that there is; `undefined`: nothing. */
export async function doubtOf(options: Options): Promise<string | undefined> {
  const { majority, variables } = await asking(options, client => client.status())
  if (!majority) return 'this host hears no majority: others may know more (lamportctl status)'
  if (variables.complete) return undefined
  return 'this host does not know all variables yet (wait until lamportctl status says so)'
}

/** What is wrong with a value of so many bytes, or `undefined`. */
export function checkSize(bytes: number): string | undefined {
  if (bytes <= VALUE_BYTES_MAX) return undefined
  return `the value has more than ${VALUE_BYTES_MAX} bytes (keep it in a file, and its name here)`
}

/** All of stdin, or as much of it as shows that it is more than `bytesMax`. */
export async function readStdin(bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > bytesMax) break
  }
  return Buffer.concat(chunks)
}
