/** What a diagram shows, in words: for a terminal, a tooltip, and whoever does not see it. */
import type { TraceEntry } from '../control/trace.ts'
import { QUEUE_TOLD } from './columns.ts'
import { requestOf, senderOf } from './model.ts'
import type { Arrow, Diagram, Point, Section } from './model.ts'

/** `3@1`: host, and Lamport time as the diagram counts it. */
export function stamp({ base }: Diagram, host: number, time: number): string {
  return `${host}@${time - base}`
}

/** A request by its token. */
export function spellToken(diagram: Diagram, token: number): string {
  const { host, time } = requestOf(token)
  return stamp(diagram, host, time)
}

/** `REQUEST 3@1`. */
export function arrowLabel(diagram: Diagram, { message, retransmissions }: Arrow): string {
  const { host, time } = senderOf(message.id)
  const again = retransmissions > 0 ? ` ↻${retransmissions}` : ''
  return `${messageName(message.type)} ${stamp(diagram, host, time)}${again}`
}

export function messageName(type: string): string {
  return type.replace(/^variable-/, '').toUpperCase()
}

/** `[3@1 1@2]`, and behind it who has REPLIED to what waits here: `{1,2}`. */
export function queueLabel(diagram: Diagram, { queue, replies }: Point): string {
  const told = queue.slice(0, QUEUE_TOLD).map(token => spellToken(diagram, token))
  if (queue.length > QUEUE_TOLD) told.push(`+${queue.length - QUEUE_TOLD}`)
  const sets = replies.map(({ from }) => ` {${from.join(',')}}`)
  return `[${told.join(' ')}]${sets.slice(0, 2).join('')}`
}

/** `attic (3)`. */
export function hostName({ hosts }: Diagram, row: number): string {
  const host = hosts[row]
  if (host === undefined) return 'nobody'
  return host.name === `host ${host.id}` ? host.name : `${host.name} (${host.id})`
}

/** The host's own view after a point. */
export function stateText(diagram: Diagram, { queue, replies }: Point): string {
  const line = queue.map(token => spellToken(diagram, token))
  const parts = [`queue: ${line.length === 0 ? 'empty' : line.join(', ')}`]
  for (const { token, from } of replies) {
    const who = from.length === 0 ? 'nobody yet' : from.join(', ')
    parts.push(`REPLIES to ${spellToken(diagram, token)}: ${who}`)
  }
  return parts.join('; ')
}

/** One sentence or two about a point. */
export function pointText(diagram: Diagram, point: Point): string {
  const where = `${hostName(diagram, point.row)} at ${point.time - diagram.base}`
  return `${where}: ${happening(diagram, point)}`
}

function happening(diagram: Diagram, point: Point): string {
  const { entry } = point
  const sent = sending(diagram, point)
  if (entry === undefined) {
    const [arrow] = point.arrows
    if (arrow === undefined) return 'something that nobody traced'
    const what = arrow.deliver === point ? 'gets' : 'sends'
    return `${what} ${arrowLabel(diagram, arrow)}, as others tell`
  }
  switch (entry.type) {
    case 'send':
      return `sends ${sent}`
    case 'deliver': {
      const arrow = point.arrows.find(({ deliver }) => deliver === point)
      const what = arrow === undefined ? entry.message.type : arrowText(diagram, arrow)
      return `gets ${what} from ${hostName(diagram, arrow?.fromRow ?? -1)}`
    }
    case 'request': {
      const asks = `asks for ${wanted(entry)} with ${spellToken(diagram, entry.token)}`
      return sent === '' ? asks : `${asks}; sends ${sent}`
    }
    case 'enter':
      return `enters ${wanted(entry)} with ${spellToken(diagram, entry.token)} (token ${entry.token})`
    case 'leave': {
      const leaves = `leaves ${entry.names.join(' and ')}`
      return sent === '' ? leaves : `${leaves}; sends ${sent}`
    }
    default:
      return markText(diagram, entry)
  }
}

/** `view 3: 1 2 4`. */
export function viewLabel({ view, members }: TraceEntry & { readonly type: 'view' }): string {
  return `view ${view}: ${members.map(({ host }) => host).join(' ')}`
}

/** What a mark on a line means. */
export function markText(diagram: Diagram, entry: TraceEntry): string {
  switch (entry.type) {
    case 'start':
      return `starts, incarnation ${entry.incarnation}`
    case 'stop':
      return 'ends cleanly'
    case 'crash':
      return 'crashes'
    case 'view':
      return `goes on in view ${entry.view} of hosts ${entry.members.map(({ host }) => host).join(', ')}`
    case 'reincarnate':
      return `begins incarnation ${entry.incarnation}: ${entry.reason}`
    case 'lost':
      return `has lost ${spellToken(diagram, entry.token)}: ${entry.reason}`
    case 'connect':
      return `is connected with host ${entry.peer}`
    case 'disconnect':
      return `is no longer connected with host ${entry.peer}`
    case 'skipped':
      return `${entry.skipped} events are not told`
    default:
      return entry.type
  }
}

function sending(diagram: Diagram, point: Point): string {
  const sent = point.arrows.filter(({ send }) => send === point)
  const [first] = sent
  if (first === undefined) return ''
  const to = sent.map(({ toRow }) => hostName(diagram, toRow)).join(', ')
  return `${arrowText(diagram, first)} to ${to}`
}

/** A message with what it is about. */
export function arrowText(diagram: Diagram, arrow: Arrow): string {
  const { message } = arrow
  const label = arrowLabel(diagram, { ...arrow, retransmissions: 0 })
  const { type, token, requests, variable } = message
  if (type === 'request') return `${label} for ${wanted({ ...message, names: arrow.names })}`
  if (token !== undefined) {
    return `${label} ${type === 'reply' ? 'for' : 'of'} ${spellToken(diagram, token)}`
  }
  if (requests !== undefined) {
    const own = requests.map(each => spellToken(diagram, each))
    return `${label} of ${own.length === 0 ? 'nothing' : own.join(', ')}`
  }
  return variable === undefined ? label : `${label} of ${variable}`
}

/** What became of a message. */
export function fateText(
  diagram: Diagram,
  { deliver, isLost, losses, retransmissions }: Arrow,
): string {
  const times = (count: number): string => (count === 1 ? 'once' : `${count} times`)
  const trouble =
    (losses > 0 ? `, taken for lost ${times(losses)}` : '') +
    (retransmissions > 0 ? `, retransmitted ${times(retransmissions)}` : '')
  if (deliver !== undefined) return `delivered at ${deliver.time - diagram.base}${trouble}`
  return isLost ? `never delivered${trouble}` : `not delivered when the trace ends${trouble}`
}

/** How a critical section went. */
export function sectionText(diagram: Diagram, section: Section): string {
  const { row, token, enter, end, how, reason } = section
  const what = `${hostName(diagram, row)}: ${wanted(section)} with ${spellToken(diagram, token)}`
  const span = duration(enter, end)
  const ends: Record<Section['how'], string> = {
    left: `held${span}`,
    lost: `lost${reason === undefined ? '' : `: ${reason}`}`,
    crashed: 'ended with its host',
    withdrawn: 'withdrawn before it entered',
    open: enter === undefined ? 'waits when the trace ends' : 'held when the trace ends',
  }
  return `${what}, ${ends[how]} (token ${token})`
}

/** By the host's own clock, which is good for differences. */
function duration(from: Point | undefined, to: Point | undefined): string {
  if (from?.entry === undefined || to?.entry === undefined) return ''
  return ` for ${milliseconds(to.entry.at - from.entry.at)}`
}

export function milliseconds(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

function wanted({
  names = [],
  limit,
}: {
  readonly names?: readonly string[]
  readonly limit?: number
}): string {
  const text = names.length === 0 ? 'a lock' : names.join(' and ')
  if (limit === undefined || limit === 1) return text
  return limit === 0 ? `${text} (shared)` : `${text} (at most ${limit})`
}

/** What comes from other hosts is text, whatever is in it. */
export function escapeText(text: string): string {
  const shown = text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
  return shown.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
