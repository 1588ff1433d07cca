import { connect } from '../../client/client.ts'
import type { HostState, StatusResult } from '../../control/protocol.ts'
import { asking, command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, humanDuration, print, printJson } from '../output.ts'
import { hasColours, heading, table, type Cell, type Colour } from '../table.ts'

const COLOURS: Readonly<Record<HostState, Colour>> = {
  member: 'green',
  heard: 'yellow',
  connected: 'yellow',
  silent: 'red',
}

/** How often a waiting `status` looks again. */
const LOOK_MS = 100

/** This host and how it sees the others. */
export const status: Command = command(
  {
    name: 'status',
    operands: [],
    usage: ['status [--wait SECONDS]'],
    summary: 'Shows this host, how it sees the others, and what it has done so far.',
    options: {
      wait: {
        type: 'text',
        value: 'SECONDS',
        describe: 'wait so long for a majority of hosts in the view; exit 69 if there is none',
      },
    },
    examples: [
      ['lamportctl status', 'for people'],
      ['lamportctl status --wait 30', 'in a script, before it needs a lock'],
      ['lamportctl --json status', 'for programs'],
    ],
    exits: [['69', 'lamportd cannot be reached, or no majority within --wait']],
  },
  async (options, operands) => {
    if (operands.length > 0) return usageError('status', 'status takes no operand')
    const wait = options.text('wait')
    const waitMs = wait === undefined ? undefined : Number(wait) * 1000
    if (waitMs !== undefined && !(waitMs >= 0 && waitMs < Infinity)) {
      return usageError('status', `--wait ${wait ?? ''} is no number of seconds (write 30, or 0.5)`)
    }
    const socket = options.text('socket')
    const result =
      waitMs === undefined
        ? await asking(options, client => client.status())
        : await majority(socket, performance.now() + waitMs)
    if (options.flag('json')) printJson(result)
    else print(statusText(result))
    if (waitMs === undefined || result.majority) return Exit.done
    complain(`no majority of hosts within ${wait ?? ''} s (bring more hosts up; see STATE above)`)
    return Exit.unavailable
  },
)

/** The first status with a majority in it, or the last one before `deadline`. */
async function majority(socket: string | undefined, deadline: number): Promise<StatusResult> {
  const client = await connect({ socket })
  try {
    for (;;) {
      const result = await client.status()
      if (result.majority || performance.now() >= deadline) return result
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  } finally {
    await client.close()
  }
}

/** The two tables that people read. */
export function statusText(result: StatusResult): string {
  const { datagrams, view, blank } = result
  const about: Cell[][] = [
    ['host', `${result.host.name} (${result.host.id})`],
    ['cluster', result.cluster],
    ['version', result.version],
    ['packets', sealText(result)],
    ['up for', `${humanDuration(result.uptimeMs)}, incarnation ${result.incarnation}`],
    ['view', view === null ? 'none' : `${view.number}: ${view.members.join(' ')}`],
    ['majority', { text: majorityText(result), colour: result.majority ? 'green' : 'red' }],
    ...(blank === null ? [] : [['blank', `it waits for ${blank}`]]),
    ['clock', String(result.clock)],
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
  const titles = ['ID', 'NAME', 'ADDRESS', 'VOTES', 'STATE', 'RTT', 'LOSS', 'SILENT', 'KEY']
  const hosts: Cell[][] = [heading(...titles)]
  for (const host of result.hosts) {
    hosts.push([
      String(host.id),
      host.name,
      host.address,
      String(host.votes),
      { text: host.self ? `${host.state} (this host)` : host.state, colour: COLOURS[host.state] },
      host.rttMs === null ? '-' : `${host.rttMs.toFixed(2)} ms`,
      host.self ? '-' : `${(host.loss * 100).toFixed(1)} %`,
      host.silentMs === null ? '-' : humanDuration(host.silentMs),
      host.key ?? '-',
    ])
  }
  const notices = result.hosts.flatMap(({ notice }) => (notice === null ? [] : [notice]))
  const isColoured = hasColours(1)
  return [
    table(about, isColoured),
    '',
    table(hosts, isColoured),
    ...notices.map(text => `\n${text}`),
  ].join('\n')
}

function sealText({ keys: [first, ...others] }: StatusResult): string {
  if (first === undefined) return 'not sealed'
  const accepted = others.length === 0 ? '' : `, ${others.join(', ')} accepted as well`
  return `sealed with key ${first}${accepted}`
}

function majorityText({ majority: isThere, complete, leaseMs }: StatusResult): string {
  if (!isThere) return 'no: nothing can be locked here'
  const lease = `the lease has ${humanDuration(leaseMs)} left`
  return complete
    ? `yes, ${lease}`
    : `yes, ${lease}; the requests of the others are not all known yet`
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
