import yargs from 'yargs'
import { defaultHostsPath } from '../control/paths.ts'
import { packageVersion } from '../control/version.ts'
import { ExitCode, Refusal } from './refusal.ts'

/** What the command line and the environment say; the defaults of the rest rest on hosts.yml. */
export type Options = {
  readonly hosts: string
  readonly id: string | undefined
  readonly state: string | undefined
  readonly socket: string | undefined
  readonly key: string | undefined
  readonly check: boolean
  /** Packets may leave this machine although they are not sealed. */
  readonly insecure: boolean
}

/** Reads them; prints and ends at `--help` and `--version`; throws a Refusal. */
export function readOptions(args: readonly string[], environment: NodeJS.ProcessEnv): Options {
  const text = { string: true, requiresArg: true } as const
  const parsed = yargs([...args])
    .scriptName('lamportd')
    .usage('$0 [options]\n\nLeaderless locks for the hosts of one hosts.yml; stays in front.')
    .option('hosts', { ...text, describe: `the hosts file [${defaultHostsPath}]` })
    .option('id', { ...text, describe: 'which host this is: its id or its name [by hostname]' })
    .option('state', { ...text, describe: 'folder of what must survive a restart' })
    .option('socket', { ...text, describe: 'path of the control socket' })
    .option('key', { ...text, describe: 'the cluster key file [key: of the hosts file]' })
    .option('check', { boolean: true, describe: 'only look for mistakes in the hosts file' })
    .epilogue(
      'Environment: LAMPORT_HOSTS, LAMPORT_ID, LAMPORT_STATE, LAMPORT_SOCKET, LAMPORT_KEY stand ' +
        'for the options. LAMPORT_INSECURE=1 lets packets leave this machine without a key: ' +
        'whoever is on the network can take part then. DEBUG=lamport:* shows everything that happens.\n' +
        'Exit: 0 stopped by a signal, or no mistake; 64 usage; 70 an error of lamportd itself; ' +
        '73 a socket, folder or address is in use or cannot be made; 78 configuration.',
    )
    .version(packageVersion)
    .help()
    .wrap(90)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'duplicate-arguments-array': false,
    })
    .strict()
    .demandCommand(0, 0)
    .fail((message: string | null, error: Error | undefined) => {
      const reason = message ?? error?.message ?? 'the command line is wrong'
      throw new Refusal(ExitCode.usage, `${reason.replaceAll('\n', ' ')} (see lamportd --help)`)
    })
    .parseSync()
  const given = (name: 'hosts' | 'id' | 'state' | 'socket' | 'key'): string | undefined => {
    const option = parsed[name]
    if (option === '') throw new Refusal(ExitCode.usage, `--${name} is empty (leave it out)`)
    const variable = environment[`LAMPORT_${name.toUpperCase()}`]
    return option ?? (variable === '' ? undefined : variable)
  }
  return {
    hosts: given('hosts') ?? defaultHostsPath,
    id: given('id'),
    state: given('state'),
    socket: given('socket'),
    key: given('key'),
    check: parsed.check ?? false,
    insecure: environment.LAMPORT_INSECURE === '1',
  }
}
