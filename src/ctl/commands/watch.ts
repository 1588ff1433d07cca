import { isatty } from 'node:tty'
import { checkName } from '../../control/names.ts'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Interrupted, Signals } from '../lock/signals.ts'
import { complain, printable, stream } from '../output.ts'
import type { Target } from '../variables/access.ts'
import { follow, type Change } from '../variables/follow.ts'
import { Hook } from '../variables/hook.ts'
import { diedOf } from '../variables/interrupted.ts'
import { changeLine, entryJson } from '../variables/show.ts'

const SPEC: CommandSpec = {
  name: 'watch',
  operands: ['prefix'],
  usage: ['watch NAME [--initial]', 'watch PREFIX/ [--initial]', 'watch NAME|PREFIX/ -- COMMAND'],
  summary:
    'Prints each change of a variable, or of all whose names begin with PREFIX/; or runs a command ' +
    'for each. Goes on until a signal, or until there is something to print and nobody who reads; also ' +
    'while lamportd restarts.',
  options: { initial: { type: 'flag', describe: 'begin with how things are now' } },
  examples: [
    ['lamportctl watch fan/speed', 'each new value, and a newline'],
    ['lamportctl watch fan/', 'NAME=VALUE, a line each; NAME alone where it is unset'],
    ['lamportctl watch --json fan/ | jq .', 'an object a line'],
    ['lamportctl watch motd -- tee /etc/motd', 'a command, the value on its stdin'],
    ["lamportctl watch fan/speed -- sh -c './fan $LAMPORT_VAR_VALUE'", 'or in its environment'],
  ],
  notes:
    'In lines NAME=VALUE a name or value that could be misread stands in the quotes of JSON, and a ' +
    'value that is not UTF-8 follows base64:. An unset of a single NAME is said on stderr.\n\n' +
    'A COMMAND is run once for each change, one at a time; what changes meanwhile is coalesced to ' +
    'the newest, and writing the same value again is no change. It finds LAMPORT_VAR_NAME, ' +
    'LAMPORT_VAR_VALUE, LAMPORT_VAR_OLD_VALUE and LAMPORT_VAR_VERSION, and the value on its stdin. ' +
    'Of an unset: LAMPORT_VAR_DELETED=1, no VALUE and an empty stdin. A value that is not UTF-8, or ' +
    'has a NUL, is in LAMPORT_VAR_VALUE_BASE64 instead (and so with OLD). One that fails is told on ' +
    'stderr, and the watch goes on.',
  order: 'before-command',
}

/** Follow one variable or many. */
export const watch: Command = command(SPEC, async (options, operands, child) => {
  const [operand, ...more] = operands
  if (operand === undefined || more.length > 0) {
    return usageError('watch', 'watch takes one NAME or PREFIX/ (a command goes behind --)')
  }
  const problem = checkName(operand)
  if (problem !== undefined) return usageError('watch', problem)
  if (child?.length === 0) return usageError('watch', 'no COMMAND follows -- (or leave the -- out)')
  const target = operand.endsWith('/') ? { prefix: operand } : { name: operand }
  if (child === undefined) return printing(target, options)
  return running(target, options, child)
})

async function printing(target: Target, options: Options): Promise<number> {
  const signals = new Signals()
  const show = options.flag('json') ? showJson : showText
  for await (const changes of follow(target, following(options, signals.interrupted))) {
    for (const change of changes) {
      if (!change.isInitial || options.flag('initial')) show(change, target)
    }
  }
  return diedOf(signals.interrupted)
}

async function running(
  target: Target,
  options: Options,
  child: readonly string[],
): Promise<number> {
  const signals = new Signals()
  const hook = new Hook(child, complain)
  for await (const changes of follow(target, following(options, signals.interrupted))) {
    for (const change of changes) {
      if (!change.isInitial || options.flag('initial')) hook.take(change)
      else hook.know(change)
    }
  }
  const reason: unknown = signals.interrupted.reason
  if (reason instanceof Interrupted) {
    signals.receive(signal => hook.forward(signal))
    await hook.end(reason.signal)
  }
  return diedOf(signals.interrupted)
}

function following(options: Options, signal: AbortSignal) {
  return { socket: options.text('socket'), signal }
}

function showJson(change: Change): void {
  stream(JSON.stringify(entryJson(change)) + '\n')
}

function showText(change: Change, target: Target): void {
  if ('prefix' in target) stream(changeLine(change) + '\n')
  else if (change.bytes !== undefined) streamValue(change.bytes)
  else complain(`${change.name} is not set`)
}

/** To a program as it is; on a terminal nothing is obeyed. */
function streamValue(bytes: Buffer): void {
  if (isatty(1)) stream(bytes.toString().split('\n').map(printable).join('\n') + '\n')
  else stream(Buffer.concat([bytes, Buffer.from('\n')]))
}
