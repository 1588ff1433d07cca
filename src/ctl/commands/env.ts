import type { CommandSpec } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit, signalExit } from '../exit.ts'
import { inheritedDescriptors, stdioOf, type Inherited } from '../lock/descriptors.ts'
import { Signals } from '../lock/signals.ts'
import { complain, print, printJson } from '../output.ts'
import { Child, failureText } from '../variables/child.ts'
import { environmentLine, environmentOf } from '../variables/environment.ts'
import { withVariables } from '../variables/line.ts'

const SPEC: CommandSpec = {
  name: 'env',
  operands: ['prefix'],
  usage: ['env [--upper] [PREFIX]', 'env [--upper] [PREFIX] -- COMMAND [ARGUMENT...]'],
  summary:
    'Prints variables as NAME="value" lines, for sh(1) and for EnvironmentFile= of systemd; or runs ' +
    'a command with them in its environment.',
  options: { upper: { type: 'flag', describe: 'names in upper case' } },
  examples: [
    ['lamportctl env app/ > /run/app.env', 'EnvironmentFile=/run/app.env'],
    ['eval "$(lamportctl env --upper app/)"', 'app/db/host becomes $DB_HOST'],
    ['lamportctl env --upper app/ -- ./app', 'without a file in between'],
  ],
  notes:
    'The PREFIX is taken off the names; what is no letter, digit or underscore becomes _, and before ' +
    'a digit at the beginning comes one. Two variables that would get the same name are refused. ' +
    'Values that have a NUL or are not UTF-8 are left out, and told on stderr. They are those that ' +
    'this host knows, as in vars.',
  exits: [
    ['0..255', 'with a command: its own (128+n if signal n ended it)'],
    ['65', 'two variables would get the same name'],
    ['126', 'the command is not executable'],
    ['127', 'the command is not found'],
  ],
  order: 'before-command',
}

/** Variables as an environment. */
export const env: Command = {
  spec: SPEC,
  run: args => {
    // Looked at before anything is opened: they are the command's.
    const inherited = inheritedDescriptors()
    return command(SPEC, async (options, operands, child) => {
      const [prefix = '', ...more] = operands
      if (more.length > 0) {
        return usageError('env', 'env takes one PREFIX at most (a command goes behind --)')
      }
      if (child?.length === 0) {
        return usageError('env', 'no COMMAND follows -- (or leave the -- out)')
      }
      const list = await withVariables(options, variables => variables.list(prefix, true))
      const made = environmentOf(list, { prefix, isUpper: options.flag('upper') })
      if ('problem' in made) {
        complain(made.problem)
        return Exit.data
      }
      for (const name of made.skipped) {
        complain(
          `${name} is left out: its value has a NUL or is not UTF-8 (lamportctl get ${name})`,
        )
      }
      if (child !== undefined) return runWith(child, made.values, inherited)
      if (options.flag('json')) printJson(Object.fromEntries(made.values))
      else for (const [name, value] of made.values) print(environmentLine(name, value))
      return Exit.done
    }).run(args)
  },
}

async function runWith(
  command: readonly string[],
  values: ReadonlyMap<string, string>,
  inherited: Inherited,
): Promise<number> {
  const signals = new Signals()
  const child = new Child(command, {
    env: { ...process.env, ...Object.fromEntries(values) },
    stdio: stdioOf(inherited, undefined),
  })
  signals.receive(signal => child.forward(signal))
  const ended = await child.ended
  switch (ended.type) {
    case 'exit':
      return ended.code
    case 'signal':
      return signalExit(ended.signal)
    case 'failed':
      complain(`${command[0] ?? ''} ${failureText(ended) ?? ''} (is it installed, and in $PATH?)`)
      return ended.isMissing ? Exit.notFound : Exit.notExecutable
  }
}
