import { LamportError } from '../client/client.ts'
import { packageVersion } from '../control/version.ts'
import { unreachable } from '../lib/assert.ts'
import { nearest } from '../lib/nearest.ts'
import { COMMANDS } from './commands.ts'
import { errorExit, Exit } from './exit.ts'
import { complain, print } from './output.ts'
import { table } from './table.ts'
import { findCommand } from './find.ts'

/** Finds the command, runs it, and gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const found = findCommand(args)
  switch (found.type) {
    case 'help':
      print(help())
      return Exit.done
    case 'version':
      print(packageVersion)
      return Exit.done
    case 'usage':
      complain(found.problem)
      return Exit.usage
    case 'nothing':
      complain('no command is given (see lamportctl --help)')
      return Exit.usage
    case 'command':
      return run(found.name, found.args)
    default:
      return unreachable(found)
  }
}

async function run(name: string, args: readonly string[]): Promise<number> {
  // For the scripts of `completion`, and nobody else.
  if (name === 'complete') {
    const { complete } = await import('./completion/complete.ts')
    await complete(args)
    return Exit.done
  }
  const entry = COMMANDS.find(known => known.name === name)
  if (entry === undefined) {
    const near = nearest(
      name,
      COMMANDS.map(known => known.name),
    )
    const advice = near === undefined ? 'see lamportctl --help' : `did you mean ${near}?`
    complain(`there is no command ${JSON.stringify(name)} (${advice})`)
    return Exit.usage
  }
  try {
    return await (await entry.load()).run(args)
  } catch (error) {
    if (!(error instanceof LamportError)) throw error
    complain(error.message)
    return errorExit(error.code)
  }
}

function help(): string {
  const commands = table(COMMANDS.map(({ name, summary }) => [' ', name, summary]))
  const examples = table([
    [' ', 'lamportctl lock backup rsync -a /home nas:', 'one backup at a time, over all hosts'],
    [' ', 'lamportctl lock -n backup true || echo busy', 'try, do not wait'],
    [' ', 'lamportctl locks', 'who holds what'],
    [' ', 'lamportctl set fan/speed 12', 'on one host'],
    [' ', 'lamportctl get fan/speed', 'on another'],
  ])
  return [
    'Usage: lamportctl [--socket PATH] [--json] COMMAND [ARGUMENT...]',
    '',
    'Locks and variables that all your hosts agree on, without a server.',
    '',
    'Commands:',
    commands,
    '',
    'Options:',
    table([
      [' ', '--socket PATH', "the daemon's control socket (else $LAMPORT_SOCKET)"],
      [' ', '--json', 'JSON instead of text'],
      [' ', '--help', 'this help; lamportctl COMMAND --help says more'],
      [' ', '--version', 'the version'],
    ]),
    '',
    'Examples:',
    examples,
  ].join('\n')
}

process.on('uncaughtException', error => {
  complain(`a fault of lamportctl itself: ${error.stack ?? error.message} (please report it)`)
  process.exit(Exit.internal)
})
// A turn later: what was asked last, such as to withdraw a request, leaves at the end of this one.
void main(process.argv.slice(2)).then(code => setImmediate(() => process.exit(code)))
