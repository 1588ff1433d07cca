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
  /** Only to look at files and this machine, and to print what was found, as JSON. */
  readonly doctor: boolean
  /** Packets may leave this machine although they are not sealed. */
  readonly insecure: boolean
}

/** Options and what they stand for; all but the last take a value. */
export const DAEMON_OPTIONS: readonly (readonly [name: string, value: string, describe: string])[] =
  [
    ['hosts', 'FILE', `the hosts file [${defaultHostsPath}]`],
    ['id', 'ID|NAME', 'which host this is: its id or its name [by hostname]'],
    ['state', 'DIR', 'folder of what must survive a restart'],
    ['socket', 'PATH', 'path of the control socket'],
    ['key', 'FILE', 'the cluster key file [key: of the hosts file]'],
    ['check', '', 'only look for mistakes in the hosts file'],
    ['doctor', '', 'only look at files and this machine, as lamportctl doctor does; JSON'],
  ]

export const DAEMON_EXITS: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'stopped by a signal, or no mistake'],
  ['64', 'usage'],
  ['70', 'an error of lamportd itself'],
  ['73', 'a socket, folder or address is in use or cannot be made'],
  ['74', 'the disk failed'],
  ['78', 'configuration'],
]

export const DAEMON_ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ['LAMPORT_HOSTS, LAMPORT_ID, LAMPORT_STATE, LAMPORT_SOCKET, LAMPORT_KEY', 'as the options'],
  [
    'LAMPORT_INSECURE=1',
    'packets leave this machine without a key: whoever is on the network can take part then',
  ],
  ['DEBUG=lamport:*', 'shows everything that happens'],
]

const EPILOGUE = [
  ...DAEMON_ENVIRONMENT.map(([name, meaning]) => `${name}: ${meaning}.`),
  `Exit: ${DAEMON_EXITS.map(([code, meaning]) => `${code} ${meaning}`).join('; ')}.`,
].join('\n')

type Typed = { hosts: Text; id: Text; state: Text; socket: Text; key: Text } & {
  check: Flag
  doctor: Flag
}
type Text = { string: true; requiresArg: true; describe: string }
type Flag = { boolean: true; describe: string }

function yargsOptions(): Typed {
  const options = DAEMON_OPTIONS.map(([name, value, describe]) => [
    name,
    value === '' ? { boolean: true, describe } : { string: true, requiresArg: true, describe },
  ])
  return Object.fromEntries(options) as Typed
}

/** Reads them; prints and ends at `--help` and `--version`; throws a Refusal. */
export async function readOptions(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Options> {
  const parsed: Parsed = args.length === 0 ? {} : await parse(args)
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
    doctor: parsed.doctor ?? false,
    insecure: environment.LAMPORT_INSECURE === '1',
  }
}

type Parsed = {
  readonly [name in 'hosts' | 'id' | 'state' | 'socket' | 'key']?: string | undefined
} & { readonly [name in 'check' | 'doctor']?: boolean | undefined }

/** As a service lamportd is started without arguments, and without what reads them. */
async function parse(args: readonly string[]): Promise<Parsed> {
  const { default: yargs } = await import('yargs')
  return yargs([...args])
    .scriptName('lamportd')
    .usage('$0 [options]\n\nLeaderless locks for the hosts of one hosts.yml; stays in front.')
    .options(yargsOptions())
    .epilogue(EPILOGUE)
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
}
