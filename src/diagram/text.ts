import type { Arrow, Diagram, Point, Section } from './model.ts'
import {
  arrowLabel,
  arrowText,
  fateText,
  hostName,
  markText,
  queueLabel,
  sectionText,
  viewLabel,
} from './words.ts'

/** Room for the Lamport time, left of all lines. */
const TIME_COLUMNS = 8

/** A host's line with what stands beside it. */
const CELL_MIN = 24
const CELL_MAX = 34

export type TextOptions = {
  /** Of the terminal. */
  readonly columns: number
}

/** A diagram for a terminal: a column a host, time runs downward, an event a row. */
export function diagramText(diagram: Diagram, { columns }: TextOptions): string {
  return new Sheet(diagram, columns).write()
}

class Sheet {
  readonly #diagram: Diagram
  readonly #cell: number
  readonly #rows: string[] = []
  /** What each host's line looks like now. */
  readonly #lines: string[]
  /** The right side of the box that is open on each line. */
  readonly #sides: (number | undefined)[]
  readonly #labels: string[]
  readonly #sections = new Map<Point, Section>()

  constructor(diagram: Diagram, columns: number) {
    this.#diagram = diagram
    const count = Math.max(1, diagram.hosts.length)
    const fair = Math.floor((columns - TIME_COLUMNS) / count)
    this.#cell = Math.min(CELL_MAX, Math.max(CELL_MIN, fair))
    this.#lines = diagram.hosts.map(({ isTraced }) => (isTraced ? '│' : '┊'))
    this.#sides = diagram.hosts.map(() => undefined)
    this.#labels = diagram.hosts.map(() => '[]')
    for (const section of diagram.sections) {
      if (section.enter !== undefined) this.#sections.set(section.enter, section)
      if (section.end !== undefined) this.#sections.set(section.end, section)
    }
  }

  write(): string {
    this.#head()
    for (const point of this.#diagram.points) {
      this.#point(point)
      this.#state(point)
    }
    this.#push(this.#blank())
    this.#foot()
    return this.#rows.map(row => row.trimEnd() + '\n').join('')
  }

  #head(): void {
    const row = this.#empty()
    put(row, 0, 'time')
    for (const index of this.#diagram.hosts.keys()) {
      put(row, this.#at(index), cut(hostName(this.#diagram, index), this.#cell - 2))
    }
    this.#push(row)
    this.#push(this.#blank())
  }

  #point(point: Point): void {
    const { entry, row } = point
    const section = this.#sections.get(point)
    switch (entry?.type) {
      case 'enter':
        this.#enter(point, section)
        return
      case 'leave':
        this.#leave(point)
        this.#sendRow(point, '')
        return
      case 'request':
        this.#sendRow(point, `asks for ${cut(entry.names.join(' '), 10)}`)
        return
      case 'deliver':
        for (const arrow of point.arrows) if (arrow.deliver === point) this.#arrow(point, arrow)
        return
      case 'send':
        if (!this.#isToldAtOnce(point)) this.#sendRow(point, '')
        return
      case undefined:
        return
      case 'crash':
      case 'stop':
        if (this.#sides[row] !== undefined) this.#leave(point)
        this.#note(point, entry.type === 'crash' ? '✗' : '┴', markText(this.#diagram, entry))
        this.#lines[row] = ' '
        return
      default:
        if (entry === undefined) return
        this.#lines[row] = '│'
        this.#note(
          point,
          '◆',
          entry.type === 'view' ? viewLabel(entry) : markText(this.#diagram, entry),
        )
    }
  }

  /** An answer that arrives before anything else happens is one row with its arrow. */
  #isToldAtOnce({ arrows, index }: Point): boolean {
    const [only] = arrows
    const deliver = only?.deliver
    return arrows.length === 1 && deliver?.entry !== undefined && deliver.index === index + 1
  }

  #sendRow(point: Point, before: string): void {
    const sent = point.arrows.filter(({ send }) => send === point)
    const [first] = sent
    const to = sent.map(({ toRow }) => this.#diagram.hosts[toRow]?.id ?? '?').join(',')
    const what = first === undefined ? '' : `${arrowLabel(this.#diagram, first)} → ${to}`
    const text = [before, what].filter(part => part !== '').join(': ')
    if (text === '') return
    if (text.length <= this.#cell - 3 || before === '') {
      this.#note(point, '●', text)
      return
    }
    this.#note(point, '●', before)
    const row = this.#blank()
    put(row, this.#at(point.row) + 2, cut(what, this.#cell - 3))
    this.#push(row)
  }

  #note(point: Point, mark: string, text: string): void {
    const row = this.#blank(point)
    const at = this.#at(point.row)
    put(row, at, mark)
    put(row, at + 2, cut(text, point.row === this.#lines.length - 1 ? 60 : this.#cell - 3))
    this.#push(row)
  }

  #arrow(point: Point, arrow: Arrow): void {
    const row = this.#blank(point)
    const [from, to] = [this.#at(arrow.fromRow), this.#at(point.row)]
    const [left, right] = [Math.min(from, to), Math.max(from, to)]
    for (let at = left + 1; at < right; at++) {
      row[at] = row[at] === '│' || row[at] === '║' || row[at] === '┊' ? '┼' : '─'
    }
    const isRightward = to > from
    row[from] = row[from] === '║' ? (isRightward ? '╟' : '╢') : isRightward ? '├' : '┤'
    put(row, isRightward ? to - 1 : to + 1, isRightward ? '▶' : '◀')
    const label = ` ${arrowLabel(this.#diagram, arrow)} `
    const middle = isRightward ? from + 3 : from - 3 - label.length
    put(row, middle, cut(label, this.#cell - 4))
    this.#push(row)
  }

  #enter(point: Point, section: Section | undefined): void {
    const at = this.#at(point.row)
    const name = cut(section?.names.join(' ') ?? '', this.#cell - 8)
    const width = Math.min(this.#cell - 3, Math.max(12, name.length + 6))
    const row = this.#blank(point)
    put(row, at, `╔═ ${name} ${'═'.repeat(Math.max(0, width - name.length - 5))}╗`)
    this.#lines[point.row] = '║'
    this.#sides[point.row] = at + width - 1
    this.#push(row)
  }

  #leave(point: Point): void {
    const at = this.#at(point.row)
    const side = this.#sides[point.row] ?? at + 11
    this.#lines[point.row] = '│'
    this.#sides[point.row] = undefined
    const row = this.#blank(point)
    put(row, at, `╚${'═'.repeat(side - at - 1)}╝`)
    this.#push(row)
  }

  /** Queue and replies, where they have changed. */
  #state(point: Point): void {
    const label = queueLabel(this.#diagram, point)
    if (this.#labels[point.row] === label || point.entry === undefined) return
    this.#labels[point.row] = label
    const row = this.#blank()
    put(row, this.#at(point.row) + 2, cut(label, this.#cell - 3))
    this.#push(row)
  }

  #foot(): void {
    const { arrows, sections, base, skipped } = this.#diagram
    const lines = [
      '',
      '[3@1] the queue in order, {1,2} who has replied, 3@1 host 3 at Lamport time 1',
    ]
    if (base > 0) lines.push(`times are told less ${base}`)
    if (skipped > 0) lines.push(`${skipped} events are missing in the traces`)
    for (const section of sections) {
      if (section.how !== 'left') lines.push(sectionText(this.#diagram, section))
    }
    for (const arrow of arrows) {
      if (arrow.deliver !== undefined && arrow.retransmissions + arrow.losses === 0) continue
      const to = hostName(this.#diagram, arrow.toRow)
      lines.push(`${arrowText(this.#diagram, arrow)} to ${to}: ${fateText(this.#diagram, arrow)}`)
    }
    this.#rows.push(...lines)
  }

  #at(row: number): number {
    return TIME_COLUMNS + row * this.#cell
  }

  #empty(): string[] {
    return new Array<string>(TIME_COLUMNS + this.#lines.length * this.#cell + 40).fill(' ')
  }

  /** Only the lines; of a point, its time as well. */
  #blank(point?: Point): string[] {
    const row = this.#empty()
    if (point !== undefined) put(row, 0, String(point.time - this.#diagram.base).padStart(5))
    for (const [index, line] of this.#lines.entries()) {
      row[this.#at(index)] = line
      const side = this.#sides[index]
      if (side !== undefined) row[side] = '║'
    }
    return row
  }

  #push(row: readonly string[]): void {
    this.#rows.push(row.join(''))
  }
}

function put(row: string[], at: number, text: string): void {
  for (const [offset, character] of Array.from(text).entries()) row[at + offset] = character
}

/** What comes from elsewhere is shown and not obeyed, and no longer than there is room. */
function cut(text: string, room: number): string {
  const characters = Array.from(text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd'))
  if (characters.length <= room) return characters.join('')
  return characters.slice(0, Math.max(0, room - 1)).join('') + '…'
}
