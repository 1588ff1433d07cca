import { findSocketPath } from '../../control/paths.ts'
import { LamportError } from '../../client/client.ts'
import type { CommandSpec } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { Signals } from '../lock/signals.ts'
import { complain, print, printJson } from '../output.ts'
import { diedOf } from '../variables/interrupted.ts'

const SPEC: CommandSpec = {
  name: 'dashboard',
  usage: ['dashboard [--listen 127.0.0.1:7480]'],
  summary:
    'Serves a page for a browser that shows locks, hosts, variables, and the space-time diagram as it ' +
    'grows. It changes nothing. lamportctl serves it, until Ctrl-C, and not lamportd.',
  options: {
    listen: {
      type: 'text',
      value: 'ADDRESS:PORT',
      describe: 'where it is served (127.0.0.1:7480; port 0: any that is free)',
    },
  },
  examples: [
    ['lamportctl dashboard', 'then open http://127.0.0.1:7480/'],
    ['ssh -L 7480:127.0.0.1:7480 kitchen lamportctl dashboard', 'of another box'],
    ['lamportctl dashboard --socket a.sock --socket b.sock', 'of several hosts on this machine'],
  ],
  notes:
    'Whoever reaches the address can read all that is shown, without a password: on this machine every ' +
    'user, elsewhere nobody unless --listen says so. Of other hosts the diagram shows what this host ' +
    'knows of them.',
  order: 'anywhere',
}

/** A page that shows what is going on. */
export const dashboard: Command = command(SPEC, async (options, operands) => {
  if (operands.length > 0) return usageError('dashboard', 'dashboard takes no operands')
  const { Dashboard } = await import('../../dashboard/serve.ts')
  const { isLoopback, parseListen, urlOf } = await import('../../dashboard/address.ts')
  const listen = parseListen(options.text('listen') ?? '127.0.0.1:7480')
  if ('problem' in listen) return usageError('dashboard', listen.problem)
  const given = options.list('socket')
  const sockets = (given.length === 0 ? [undefined] : given).map(path => {
    const found = findSocketPath(path)
    if ('problem' in found) throw new LamportError('socket', found.problem)
    return found.path
  })
  const signals = new Signals()
  const served = new Dashboard(sockets)
  let where
  try {
    where = await served.start(listen)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    complain(`${listen.host}:${listen.port} cannot be had: ${code} (choose another with --listen)`)
    return Exit.unavailable
  }
  if (!isLoopback(where)) {
    complain(
      `everybody who reaches ${listen.host} can read this page (leave --listen out to keep it here)`,
    )
  }
  if (options.flag('json')) printJson({ url: urlOf(where) })
  else print(`the dashboard is at ${urlOf(where)} (Ctrl-C ends it)`)
  if (!signals.interrupted.aborted) {
    await new Promise(resolve => signals.interrupted.addEventListener('abort', resolve))
  }
  await served.stop()
  return diedOf(signals.interrupted)
})
