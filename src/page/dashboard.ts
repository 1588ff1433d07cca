/** The page that `lamportctl dashboard` serves: what it is told, as it is told. */
import type { HolderEntry } from '../control/protocol.ts'
import type { TraceLine } from '../control/trace.ts'
import type { State } from '../dashboard/state.ts'
import { find, findAs, make } from './dom.ts'
import { Viewer } from './viewer.ts'

/** Events of which the diagram is made, the newest: as many as one can look at. */
const EVENTS_MAX = 1500
/** The diagram is drawn again so often at most. */
const DRAW_MS = 250

const viewer = new Viewer(true)
const live = findAs('#live', HTMLInputElement)
let lines: TraceLine[] = []
let timer: ReturnType<typeof setTimeout> | undefined

viewer.onHold = () => {
  live.checked = false
}
live.addEventListener('change', () => {
  if (!live.checked) return
  viewer.follow()
  draw()
})

const events = new EventSource('/events')
events.addEventListener('state', event => showState(JSON.parse(event.data as string) as State))
events.addEventListener('again', () => (lines = []))
events.addEventListener('trace', event => {
  lines.push(...(JSON.parse(event.data as string) as TraceLine[]))
  const heads = lines.filter(({ type }) => type === 'hosts')
  const entries = lines.filter(({ type }) => type !== 'hosts')
  lines = [...heads.slice(-20), ...entries.slice(-EVENTS_MAX)]
  timer ??= setTimeout(draw, DRAW_MS)
})
events.addEventListener('error', () => {
  find('#health').textContent =
    'The dashboard is not reached: lamportctl dashboard has ended, or restarts.'
})

function draw(): void {
  clearTimeout(timer)
  timer = undefined
  if (live.checked) viewer.show(lines)
}

function showState(state: State): void {
  const [first] = state.statuses.filter(status => status !== null)
  document.title = first === undefined ? 'lamportd' : `lamportd: ${first.host.name}`
  find('#title').textContent =
    first === undefined ? 'lamportd' : `${first.cluster}, as ${first.host.name} sees it`
  find('#health').textContent = healthOf(state)
  find('#health').className = first?.majority === true ? 'good' : 'bad'
  find('#locks').replaceChildren(...lockRows(state))
  find('#hosts').replaceChildren(...hostRows(state))
  find('#vars').replaceChildren(...variableRows(state))
}

function healthOf({ statuses, problem }: State): string {
  const [first] = statuses.filter(status => status !== null)
  if (first === undefined) return problem ?? 'lamportd does not answer.'
  const { view, majority, blank, clock, version } = first
  if (blank !== null) return `This host has no vote yet: it waits for ${blank}.`
  const members = view === null ? 'no view yet' : `view ${view.number}: ${view.members.join(', ')}`
  const vote = majority ? 'a majority is there' : 'there is NO majority: nothing is granted'
  return `${vote}; ${members}; Lamport time ${clock}; lamportd ${version}`
}

function lockRows({ locks }: State): HTMLElement[] {
  if (locks.length === 0) return [emptyRow('no lock is in use', 5)]
  return locks.flatMap(({ name, holders, waiters }) => [
    ...holders.map(holder => {
      const state = holder.ghostMs === undefined ? 'held' : 'ghost'
      return row([name, state, holder.host, seconds(holder.sinceMs), what(holder)], state)
    }),
    ...waiters.map(waiter =>
      row(
        [name, `waits (${waiter.position})`, waiter.host, seconds(waiter.sinceMs), what(waiter)],
        'waits',
      ),
    ),
  ])
}

function what({ command, why, mode }: HolderEntry): string {
  return [mode === 'exclusive' ? '' : mode, command, why].filter(Boolean).join(' · ')
}

function hostRows({ statuses }: State): HTMLElement[] {
  const [first] = statuses.filter(status => status !== null)
  return (first?.hosts ?? []).map(host => {
    const rtt = host.self ? '–' : host.rttMs === null ? '?' : `${host.rttMs.toFixed(2)} ms`
    const loss = host.self ? '–' : `${(host.loss * 100).toFixed(1)} %`
    const state = host.self ? `${host.state}, this host` : host.state
    const cells = [`${host.name} (${host.id})`, state, host.address, rtt, loss]
    return row(cells, host.state === 'member' ? 'member' : 'away')
  })
}

function variableRows({ variables, hasMore }: State): HTMLElement[] {
  if (variables.length === 0) return [emptyRow('no variable is set', 4)]
  const rows = variables.map(({ name, text, version, writer }) =>
    row([name, text, String(version), writer], 'variable'),
  )
  return hasMore ? [...rows, emptyRow('and more: lamportctl vars', 4)] : rows
}

function row(cells: readonly string[], state: string): HTMLElement {
  const line = document.createElement('tr')
  line.className = state
  const [head = '', ...rest] = cells
  line.append(make('th', head, { scope: 'row' }), ...rest.map(text => make('td', text)))
  return line
}

function emptyRow(text: string, columns: number): HTMLElement {
  const line = document.createElement('tr')
  line.append(make('td', text, { colspan: String(columns), class: 'none' }))
  return line
}

function seconds(ms: number): string {
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}
