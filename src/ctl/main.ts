import { LamportError } from '../client/client.ts'
import { packageVersion } from '../control/version.ts'
import { unreachable } from '../lib/assert.ts'
import { nearest } from '../lib/nearest.ts'
import type { Command } from './command.ts'
import { errorExit, Exit } from './exit.ts'
import { complain, print, table } from './output.ts'
import { findCommand } from './find.ts'

type Entry = {
  readonly name: string
  readonly summary: string
  /** Only what is called is loaded: lamportctl stands in many a cron line. */
  load(): Promise<Command>
}

const COMMANDS: readonly Entry[] = [
  {
    name: 'lock',
    summary: 'run a command while holding a lock that all hosts respect',
    load: async () => (await import('./commands/lock.ts')).lock,
  },
  {
    name: 'locks',
    summary: 'list the locks in use: holders, and waiters in order',
    load: async () => (await import('./commands/locks.ts')).locks,
  },
  {
    name: 'why',
    summary: 'say why one waits for a lock, and what to do',
    load: async () => (await import('./commands/why.ts')).why,
  },
  {
    name: 'get',
    summary: 'print the value of a shared variable',
    load: async () => (await import('./commands/get.ts')).get,
  },
  {
    name: 'set',
    summary: 'write a shared variable',
    load: async () => (await import('./commands/set.ts')).set,
  },
  {
    name: 'unset',
    summary: 'take a shared variable away',
    load: async () => (await import('./commands/unset.ts')).unset,
  },
  {
    name: 'vars',
    summary: 'list the variables that are set',
    load: async () => (await import('./commands/vars.ts')).vars,
  },
  {
    name: 'history',
    summary: 'show past versions of a variable, and who wrote them',
    load: async () => (await import('./commands/history.ts')).history,
  },
  {
    name: 'watch',
    summary: 'print each change of variables, or run a command for it',
    load: async () => (await import('./commands/watch.ts')).watch,
  },
  {
    name: 'share',
    summary: 'edit one variable in the terminals of all hosts at once',
    load: async () => (await import('./commands/share.ts')).share,
  },
  {
    name: 'export',
    summary: 'save all variables to a file',
    load: async () => (await import('./commands/export.ts')).exportVariables,
  },
  {
    name: 'import',
    summary: 'set the variables that are in such a file',
    load: async () => (await import('./commands/import.ts')).importVariables,
  },
  {
    name: 'env',
    summary: 'print variables for a shell or systemd, or run a command with them',
    load: async () => (await import('./commands/env.ts')).env,
  },
  {
    name: 'render',
    summary: 'keep a file filled with variables from a template',
    load: async () => (await import('./commands/render.ts')).render,
  },
  {
    name: 'status',
    summary: 'show this host and how it sees the others',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'found',
    summary: 'go on without hosts that never ran, or are gone for good',
    load: async () => (await import('./commands/found.ts')).found,
  },
  {
    name: 'keygen',
    summary: 'print a new cluster key',
    load: async () => (await import('./commands/keygen.ts')).keygen,
  },
]

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
process.exit(await main(process.argv.slice(2)))
