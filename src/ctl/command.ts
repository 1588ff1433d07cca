import { connect, type Client } from '../client/client.ts'
import { packageVersion } from '../control/version.ts'
import { unreachable } from '../lib/assert.ts'
import { parseArguments, type CommandSpec, type Options } from './arguments.ts'
import { Exit } from './exit.ts'
import { complain, print } from './output.ts'

/** A subcommand: `run` gets what followed its name and gives the exit code. */
export type Command = { run(args: readonly string[]): Promise<number> }

/** What a command does once its line has been read; `child` is what follows `--`. */
export type Work = (
  options: Options,
  operands: readonly string[],
  child: readonly string[] | undefined,
) => Promise<number>

/** A command whose line is read as its specification says. */
export function command(spec: CommandSpec, work: Work): Command {
  return {
    run: async args => {
      const parsed = await parseArguments(spec, args)
      switch (parsed.type) {
        case 'help':
          print(parsed.text)
          return Exit.done
        case 'version':
          print(packageVersion)
          return Exit.done
        case 'usage':
          return usageError(spec.name, parsed.problem)
        case 'given':
          return work(parsed.options, parsed.operands, parsed.command)
        default:
          return unreachable(parsed)
      }
    },
  }
}

/** Says what is wrong with a line that cannot be meant. */
export function usageError(name: string, problem: string): number {
  const advice = problem.endsWith(')') ? '' : ` (see lamportctl ${name} --help)`
  complain(`${name}: ${problem}${advice}`)
  return Exit.usage
}

/** Asks the daemon something, and closes the connection behind it. */
export async function asking<T>(options: Options, ask: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect({ socket: options.text('socket') })
  try {
    return await ask(client)
  } finally {
    await client.close()
  }
}
