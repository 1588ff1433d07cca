import type { StatusResult } from '../../control/protocol.ts'
import { asking, command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { humanDuration, print, printJson, table } from '../output.ts'

/** This host and how it sees the others. */
export const status: Command = command(
  {
    name: 'status',
    usage: ['status'],
    summary: 'Shows this host, how it sees the others, and what it has done so far.',
    options: {},
    examples: [
      ['lamportctl status', 'for people'],
      ['lamportctl --json status', 'for programs'],
    ],
  },
  async (options, operands) => {
    if (operands.length > 0) return usageError('status', 'status takes no operand')
    const result = await asking(options, client => client.status())
    if (options.flag('json')) printJson(result)
    else print(statusText(result))
    return Exit.done
  },
)

/** The two tables that people read. */
export function statusText(result: StatusResult): string {
  const others = result.complete ? 'known' : 'not all known yet: nothing is granted here'
  const { datagrams } = result
  const about = [
    ['host', `${result.host.name} (${result.host.id})`],
    ['cluster', result.cluster],
    ['version', result.version],
    ['up for', `${humanDuration(result.uptimeMs)}, incarnation ${result.incarnation}`],
    ['clock', String(result.clock)],
    ['requests of others', others],
    ['grants', String(result.grants)],
    ['connections', String(result.connections)],
    [
      'messages',
      `${total(result.messages.sent)} sent, ${total(result.messages.received)} received`,
    ],
    [
      'datagrams',
      `${datagrams.sent} sent, ${datagrams.received} received, ` +
        `${datagrams.retransmitted} retransmitted, ${total(datagrams.dropped)} dropped`,
    ],
  ]
  const hosts = [['ID', 'NAME', 'ADDRESS', 'STATE', 'RTT', 'LOSS', 'SILENT']]
  for (const host of result.hosts) {
    hosts.push([
      String(host.id),
      host.name,
      host.address,
      host.state,
      host.rttMs === null ? '-' : `${host.rttMs.toFixed(2)} ms`,
      host.self ? '-' : `${(host.loss * 100).toFixed(1)} %`,
      host.silentMs === null ? '-' : humanDuration(host.silentMs),
    ])
  }
  return `${table(about)}\n\n${table(hosts)}`
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
