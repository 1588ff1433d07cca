import type { Arrow, Diagram, Point, Section } from './model.ts'
import { COLOURS, FONTS } from './style.ts'
import {
  arrowLabel,
  arrowText,
  escapeText,
  fateText,
  hostName,
  markText,
  messageName,
  pointText,
  queueLabel,
  sectionText,
  stateText,
  viewLabel,
} from './words.ts'

/** Sizes, in pixels at natural scale. */
export const COLUMN_WIDTH = 92
export const ROW_HEIGHT = 124
export const TOP = 56
/** Room for the names of hosts. */
export const LABELS_WIDTH = 132
const BOTTOM = 84
const RIGHT = 130
const BOX = 17
const CHARACTER = 6.3

/** Where a column or row is. */
export function xOf(column: number): number {
  return 24 + column * COLUMN_WIDTH
}

export function yOf(row: number): number {
  return TOP + row * ROW_HEIGHT
}

/** Width and height of all lines, without the names. */
export function sizeOf({ columns, hosts }: Diagram): { width: number; height: number } {
  const height = TOP + Math.max(0, hosts.length - 1) * ROW_HEIGHT + BOTTOM
  return { width: xOf(columns) + RIGHT, height }
}

/** A picture of its own, for a browser or a document; light or dark as its reader is. */
export function svgDocument(diagram: Diagram, title: string): string {
  const { width, height } = sizeOf(diagram)
  const all = LABELS_WIDTH + width
  const summary = summaryText(diagram)
  const rounded = (value: number): number => Math.round(value)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${rounded(all)} ${rounded(height)}" ` +
      `width="${rounded(all)}" height="${rounded(height)}" role="img" aria-labelledby="t d">`,
    `<title id="t">${escapeText(title)}</title>`,
    `<desc id="d">${escapeText(summary)}</desc>`,
    `<style>${COLOURS}${FONTS}</style>`,
    `<rect class="paper" width="100%" height="100%" rx="8"/>`,
    `<g>${hostLabels(diagram)}</g>`,
    `<g transform="translate(${LABELS_WIDTH} 0)">${drawing(diagram, { titles: true })}</g>`,
    legend(diagram, height),
    '</svg>\n',
  ].join('\n')
}

/** All that happens, for who does not see it. */
export function summaryText(diagram: Diagram): string {
  return diagram.points.map(point => `${pointText(diagram, point)}.`).join(' ')
}

/** The names of hosts, beside their lines. */
export function hostLabels(diagram: Diagram): string {
  const labels = diagram.hosts.map(({ id, name, isTraced }, row) => {
    const y = yOf(row)
    const note = isTraced ? `host ${id}` : `host ${id}, not traced`
    const shown = name.length > 15 ? `${name.slice(0, 14)}…` : name
    const title = escapeText(hostName(diagram, row))
    return (
      `<g><title>${title}</title><text class="host" x="20" y="${y - 1}">${escapeText(shown)}</text>` +
      `<text class="note" x="20" y="${y + 15}">${note}</text></g>`
    )
  })
  return labels.join('')
}

export type DrawOptions = {
  /** What a browser shows of an element by itself, when one points at it. */
  readonly titles?: boolean
  /** Columns that are to be seen; absent: all. */
  readonly from?: number
  readonly to?: number
}

/** Lines, boxes, arrows and points. */
export function drawing(diagram: Diagram, options: DrawOptions): string {
  const { from = -Infinity, to = Infinity, titles = false } = options
  const isSeen = (first: number, last: number): boolean => last >= from && first <= to
  const say = (text: () => string): string => (titles ? `<title>${escapeText(text())}</title>` : '')
  const parts: string[] = [lines(diagram)]
  const labels = new Labels(diagram.hosts.map((_, row) => yOf(row)))
  for (const section of diagram.sections) {
    const [first, last] = spanOf(diagram, section)
    if (isSeen(first, last)) parts.push(sectionShape(section, [first, last], diagram, say, labels))
  }
  const points: string[] = []
  const texts: string[] = []
  const before = new Map<number, string>()
  for (const point of diagram.points) {
    const label = queueLabel(diagram, point)
    const isNews = (before.get(point.row) ?? '[]') !== label
    before.set(point.row, label)
    if (!isSeen(point.column - 1, point.column + 2)) continue
    points.push(pointShape(diagram, point, say))
    if (isNews) texts.push(queueShape(point, label, labels))
  }
  for (const arrow of diagram.arrows) {
    const last = arrow.deliver?.column ?? arrow.send.column + 1
    if (!isSeen(arrow.send.column, last)) continue
    parts.push(arrowShape(diagram, arrow, say))
    texts.push(arrowTextShape(diagram, arrow, labels))
  }
  return parts.concat(points, texts).join('\n')
}

/** Lines of hosts: whole while they are up, dotted where nobody knows. */
function lines(diagram: Diagram): string {
  const end = xOf(diagram.columns) + RIGHT - 60
  const parts = diagram.hosts.map(({ isTraced }, row) => {
    const y = yOf(row)
    const faint = `<line class="line faint" x1="0" x2="${r(end)}" y1="${y}" y2="${y}"/>`
    if (!isTraced) return faint
    const lives = diagram.lives.filter(life => life.row === row)
    const solid = lives.map(life => {
      const x1 = life.start === undefined ? 0 : xOf(life.start.column)
      const x2 = life.end === undefined ? end : xOf(life.end.column)
      return `<line class="line" x1="${r(x1)}" x2="${r(x2)}" y1="${y}" y2="${y}"/>`
    })
    return lives.some(life => life.end !== undefined || life.start !== undefined)
      ? faint + solid.join('')
      : solid.join('')
  })
  return parts.join('')
}

function spanOf({ columns }: Diagram, { request, enter, end }: Section): [number, number] {
  const first = request ?? enter
  return [first?.column ?? 0, end?.column ?? columns + 0.5]
}

function sectionShape(
  section: Section,
  [first, last]: readonly [number, number],
  diagram: Diagram,
  say: (text: () => string) => string,
  labels: Labels,
): string {
  const y = yOf(section.row)
  const { enter, how, names } = section
  const waitEnd = enter?.column ?? last
  const waits =
    waitEnd > first
      ? `<rect class="wait" x="${r(xOf(first))}" y="${y - 4}" width="${r(xOf(waitEnd) - xOf(first))}" height="8"/>`
      : ''
  if (enter === undefined) return `<g>${say(() => sectionText(diagram, section))}${waits}</g>`
  const [x1, x2] = [xOf(enter.column) - 6, xOf(last) + 6]
  const isBad = how === 'lost' || how === 'crashed'
  const room = Math.floor((x2 - x1 - 10) / CHARACTER)
  const text = names.join(' ')
  const name = text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text
  labels.take({ x: x1 + 6, y: y - BOX - 15, width: name.length * CHARACTER, height: 13 })
  return (
    `<g class="section${isBad ? ' bad' : ''}" data-section="${section.token}">` +
    say(() => sectionText(diagram, section)) +
    waits +
    `<rect class="box" x="${r(x1)}" y="${y - BOX}" width="${r(x2 - x1)}" height="${2 * BOX}" rx="6"/>` +
    `<text class="name" x="${r(x1 + 6)}" y="${y - BOX - 5}">${escapeText(name)}</text></g>`
  )
}

/** From dot to dot; what did not arrive ends on the way. */
function ends(arrow: Arrow): { x1: number; y1: number; x2: number; y2: number } {
  const { send, deliver, fromRow, toRow } = arrow
  const [x1, y1] = [xOf(send.column), yOf(fromRow)]
  const [x2, y2] = [xOf(deliver?.column ?? send.column + 1), yOf(toRow)]
  if (deliver !== undefined) return { x1, y1, x2, y2 }
  return { x1, y1, x2: x1 + (x2 - x1) * 0.55, y2: y1 + (y2 - y1) * 0.55 }
}

function arrowShape(diagram: Diagram, arrow: Arrow, say: (text: () => string) => string): string {
  const { x1, y1, x2, y2 } = ends(arrow)
  const length = Math.hypot(x2 - x1, y2 - y1) || 1
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length]
  const tip = arrow.deliver === undefined ? [x2, y2] : [x2 - ux * 4, y2 - uy * 4]
  const [tx = 0, ty = 0] = tip
  const base = [tx - ux * 9, ty - uy * 9] as const
  const head =
    `M${r(tx)} ${r(ty)}L${r(base[0] - uy * 4)} ${r(base[1] + ux * 4)}` +
    `L${r(base[0] + uy * 4)} ${r(base[1] - ux * 4)}Z`
  const fate = arrow.deliver === undefined ? ' undelivered' : ''
  const mark =
    arrow.deliver === undefined && arrow.isLost
      ? cross(x2 + ux * 8, y2 + uy * 8, 5)
      : arrow.losses > 0
        ? cross(x1 + (x2 - x1) * 0.28, y1 + (y2 - y1) * 0.28, 4)
        : ''
  const d = `M${r(x1)} ${r(y1)}L${r(tx)} ${r(ty)}`
  return (
    `<g class="arrow ${classOf(arrow)}${fate}" data-arrow="${arrow.index}">` +
    say(() => `${arrowText(diagram, arrow)}, ${fateText(diagram, arrow)}`) +
    `<path class="hit" d="${d}"/><path class="shaft" d="${d}"/><path class="head" d="${head}"/>${mark}</g>`
  )
}

/** Its colour; the label says the type as well. */
export function classOf({ kind, message }: Arrow): string {
  return kind === 'locks' ? message.type : kind
}

function arrowTextShape(diagram: Diagram, arrow: Arrow, labels: Labels): string {
  const { x1, y1, x2, y2 } = ends(arrow)
  const text = arrowLabel(diagram, arrow)
  const width = text.length * CHARACTER
  const place = labels.place([0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82, 0.12], share => {
    const [x, y] = [x1 + (x2 - x1) * share, y1 + (y2 - y1) * share]
    return { x: x - width / 2, y: y - 8, width, height: 14 }
  })
  const [x, y] = [r(place.x + width / 2), r(place.y + 11.5)]
  return `<text class="label ${classOf(arrow)}" x="${x}" y="${y}" data-arrow="${arrow.index}">${escapeText(text)}</text>`
}

function pointShape(diagram: Diagram, point: Point, say: (text: () => string) => string): string {
  const { entry, column, row } = point
  const [x, y] = [xOf(column), yOf(row)]
  const title = say(() => `${pointText(diagram, point)}; ${stateText(diagram, point)}`)
  const shape = markShape(diagram, point, x, y)
  const kind = entry === undefined ? 'inferred' : entry.type
  return `<g class="point ${kind}" data-point="${point.index}">${title}${shape}</g>`
}

function markShape(diagram: Diagram, { entry }: Point, x: number, y: number): string {
  const note = (text: string): string =>
    `<text class="mark" x="${r(x)}" y="${y - 22}">${escapeText(text)}</text>`
  const dot = `<circle cx="${r(x)}" cy="${y}" r="4"/>`
  switch (entry?.type) {
    case 'crash':
      return cross(x, y, 8) + note('crash')
    case 'stop':
      return `<path class="bar" d="M${r(x)} ${y - 9}V${y + 9}"/>` + note('stop')
    case 'start':
      return (
        `<circle class="ring" cx="${r(x)}" cy="${y}" r="6"/>` + note(`start #${entry.incarnation}`)
      )
    case 'view': {
      const diamond = `<path d="M${r(x)} ${y - 8}L${r(x + 7)} ${y}L${r(x)} ${y + 8}L${r(x - 7)} ${y}Z"/>`
      return diamond + note(viewLabel(entry))
    }
    case 'lost':
      return cross(x, y, 7) + note('lock lost')
    case 'reincarnate':
      return (
        `<circle class="ring" cx="${r(x)}" cy="${y}" r="6"/>` +
        note(`incarnation ${entry.incarnation}`)
      )
    case 'skipped':
      return `<text class="gap" x="${r(x)}" y="${y + 5}">⋯</text>` + note(markText(diagram, entry))
    default:
      return dot
  }
}

/** Below the line, where it changes. */
function queueShape({ column, row }: Point, label: string, labels: Labels): string {
  const [x, y] = [r(xOf(column) - 3), yOf(row) + 33]
  labels.take({ x, y: y - 10, width: label.length * 6.7, height: 13 })
  return `<text class="queue" x="${x}" y="${y}">${escapeText(label)}</text>`
}

function cross(x: number, y: number, size: number): string {
  const [a, b, c, d] = [r(x - size), r(x + size), r(y - size), r(y + size)]
  return `<path class="cross" d="M${a} ${c}L${b} ${d}M${a} ${d}L${b} ${c}"/>`
}

function legend(diagram: Diagram, height: number): string {
  const types = new Map<string, string>()
  for (const arrow of diagram.arrows) {
    const name = arrow.kind === 'locks' ? messageName(arrow.message.type) : arrow.kind
    types.set(classOf(arrow), name)
  }
  const y = height - 16
  const parts: string[] = []
  let x = 20
  for (const [kind, name] of types) {
    parts.push(`<path class="shaft ${kind}" d="M${r(x)} ${y - 4}h18"/>`)
    parts.push(`<text class="note" x="${r(x + 24)}" y="${y}">${escapeText(name)}</text>`)
    x += 24 + name.length * 7.4 + 18
  }
  const rest = '[3@1] the queue, in order · {1,2} who has replied · 3@1: host 3 at Lamport time 1'
  parts.push(`<text class="note" x="${r(x)}" y="${y}">${rest}</text>`)
  return `<g>${parts.join('')}</g>`
}

/** Labels that are placed so that none covers another, where there is a choice. */
class Labels {
  /** By place from left to right, so that only neighbours are compared. */
  readonly #taken = new Map<number, Box[]>()
  /** Where the lines of hosts are, which they should not cover. */
  readonly #lines: readonly number[]

  constructor(lines: readonly number[]) {
    this.#lines = lines
  }

  /** What stands where it must. */
  take(box: Box): void {
    for (const place of places(box)) {
      const boxes = this.#taken.get(place)
      if (boxes === undefined) this.#taken.set(place, [box])
      else boxes.push(box)
    }
  }

  place(shares: readonly number[], boxAt: (share: number) => Box): Box {
    let best: Box | undefined
    let least = Infinity
    for (const share of shares) {
      const box = boxAt(share)
      const covered = this.#covered(box)
      if (covered >= least) continue
      best = box
      least = covered
      if (covered === 0) break
    }
    const box = best ?? boxAt(0.5)
    this.take(box)
    return box
  }

  #covered(box: Box): number {
    let sum = this.#lines.some(y => y > box.y - 4 && y < box.y + box.height + 3) ? box.width : 0
    const near = new Set(places(box).flatMap(place => this.#taken.get(place) ?? []))
    for (const other of near) {
      const width = overlap(box.x, box.width, other.x, other.width)
      sum += width * overlap(box.y, box.height, other.y, other.height)
    }
    return sum
  }
}

const PLACE_WIDTH = 200

function places({ x, width }: Box): readonly number[] {
  const [first, last] = [Math.floor(x / PLACE_WIDTH), Math.floor((x + width) / PLACE_WIDTH)]
  return Array.from({ length: last - first + 1 }, (_, at) => first + at)
}

type Box = {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function overlap(a: number, aLength: number, b: number, bLength: number): number {
  return Math.max(0, Math.min(a + aLength, b + bLength) - Math.max(a, b))
}

/** A tenth of a pixel is enough. */
function r(value: number): number {
  return Math.round(value * 10) / 10
}
