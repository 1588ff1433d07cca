import { packageVersion } from '../control/version.ts'
import { GLOBAL } from '../ctl/arguments.ts'
import { COMMANDS } from '../ctl/commands.ts'
import { exitsOf, flagsOf } from '../ctl/help.ts'
import type { CommandSpec } from '../ctl/arguments.ts'
import { FILE_FIELDS, HOST_FIELDS, LIMITS_FIELDS, TIMING_FIELDS } from '../daemon/hosts-fields.ts'
import type { FieldSpec } from '../daemon/hosts-fields.ts'
import { DAEMON_ENVIRONMENT, DAEMON_EXITS, DAEMON_OPTIONS } from '../daemon/options.ts'
import { Roff } from './roff.ts'

const FILES: readonly (readonly [string, string])[] = [
  ['/etc/lamportd/hosts.yml', 'who takes part; the same file on every host'],
  ['/run/lamportd/control.sock', 'the control socket, for its owner and its group'],
  ['/run/lamportd/admin.sock', "the administrator's"],
  ['/var/lib/lamportd', 'what must survive a restart'],
]

/** The manual, by file name. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const specs = await Promise.all(COMMANDS.map(async each => (await each.load()).spec))
  return new Map([
    ['lamportctl.1', controlPage(specs)],
    ['hosts.yml.5', hostsPage()],
    ['lamportd.8', daemonPage()],
  ])
}

function controlPage(specs: readonly CommandSpec[]): string {
  const summary = 'locks and variables that all hosts agree on'
  const page = new Roff('lamportctl', 1, summary, packageVersion)
  page.section('SYNOPSIS').text('lamportctl [--socket PATH] [--json] COMMAND [ARGUMENT...]')
  page.section('DESCRIPTION')
  page.text(
    'Takes locks and sets variables on all hosts of a hosts.yml, by the lamportd of this one.',
  )
  page.section('OPTIONS').list(optionRows(GLOBAL)).section('COMMANDS')
  for (const spec of specs) {
    page.subsection(`lamportctl ${spec.name}`)
    page.literal(spec.usage.map(line => `lamportctl ${line}`)).text(`\n\n${spec.summary}`)
    page.list(optionRows(spec.options))
    if (spec.notes !== undefined) page.text(`\n\n${spec.notes}`)
    page.text('\n\nExamples:').list(spec.examples)
    page.text('\n\nExit codes:').list(exitsOf(spec))
  }
  page.section('ENVIRONMENT').list([
    ['LAMPORT_SOCKET', 'the control socket, where --socket is not given'],
    ['NO_COLOR', 'tables on a terminal have no colours'],
  ])
  page.section('FILES').list(FILES)
  return page.section('SEE ALSO').text('lamportd(8), hosts.yml(5), flock(1)').toString()
}

function daemonPage(): string {
  const page = new Roff('lamportd', 8, 'named locks and variables without a server', packageVersion)
  page.section('SYNOPSIS').text('lamportd [OPTION...]')
  page.section('DESCRIPTION')
  page.text(
    'One host of those in hosts.yml. It stays in front; SIGTERM and SIGINT end it cleanly, a second ' +
      'one at once, and SIGHUP makes it read the key file again.',
  )
  page
    .section('OPTIONS')
    .list([
      ...DAEMON_OPTIONS.map(([name, value, text]) => [`--${name} ${value}`.trim(), text] as const),
      ['--help', 'show this help'],
      ['--version', 'show the version'],
    ])
  page.section('EXIT STATUS').list(DAEMON_EXITS)
  page.section('ENVIRONMENT').list(DAEMON_ENVIRONMENT)
  page.section('FILES').list(FILES)
  page.section('EXAMPLES').list([
    ['lamportd --check --hosts hosts.yml', 'looks for mistakes'],
    ['lamportd --hosts hosts.yml --id kitchen', 'starts one of its hosts'],
  ])
  return page.section('SEE ALSO').text('lamportctl(1), hosts.yml(5)').toString()
}

function hostsPage(): string {
  const page = new Roff('hosts.yml', 5, 'the hosts of a cluster of lamportd', packageVersion)
  page.section('DESCRIPTION')
  page.text('YAML, the same file on every host. Times are written 150ms or 2s.')
  page.list(rows(FILE_FIELDS))
  page.section('HOSTS').list(rows(HOST_FIELDS))
  page.section('TIMING').list(rows(TIMING_FIELDS))
  page.section('LIMITS').list(rows(LIMITS_FIELDS))
  page.section('EXAMPLES').literal(EXAMPLE)
  page.section('FILES').list(FILES)
  return page.section('SEE ALSO').text('lamportd(8), lamportctl(1)').toString()
}

const EXAMPLE = [
  'cluster: workshop',
  'key: cluster.key',
  'hosts:',
  '  - { id: 1, name: kitchen, address: 192.168.1.21 }',
  '  - { id: 2, name: garage, address: 192.168.1.22 }',
  '  - { id: 3, name: attic, address: 192.168.1.23 }',
]

function rows(fields: readonly FieldSpec[]): (readonly [string, string])[] {
  return fields.map(([key, value, describe]) => [`${key}: ${value}`, describe])
}

function optionRows(options: CommandSpec['options']): (readonly [string, string])[] {
  return Object.entries(options).map(([name, option]) => [flagsOf(name, option), option.describe])
}
