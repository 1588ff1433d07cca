/** A diagram that one can move, zoom, point at, and step through by keys. */
import type { TraceLine } from '../control/trace.ts'
import { build } from '../diagram/build.ts'
import { merge, type Merged } from '../diagram/merge.ts'
import { lockNames, type Diagram, type Kind, type Point } from '../diagram/model.ts'
import { drawing, hostLabels, LABELS_WIDTH, sizeOf, xOf, yOf } from '../diagram/svg.ts'
import { COLUMN_WIDTH } from '../diagram/svg.ts'
import { pointText } from '../diagram/words.ts'
import { find, findAs, make } from './dom.ts'
import { indexOf, listOf, statesOf, Tip } from './told.ts'

const ZOOM_MIN = 0.15
const ZOOM_MAX = 3
const ZOOM_STEP = 1.25
/** Columns that are drawn left and right of what is seen. */
const AROUND = 12

export class Viewer {
  readonly #stage: HTMLElement
  readonly #canvas: SVGSVGElement
  readonly #labels: SVGSVGElement
  readonly #tip: Tip
  readonly #now: HTMLElement
  readonly #states: HTMLElement
  readonly #list: HTMLElement
  #merged: Merged = { cluster: '', hosts: [], entries: [] }
  #diagram: Diagram | undefined
  #zoom = 1
  #left = 0
  /** Columns that are drawn. */
  #drawn: readonly [number, number] = [0, -1]
  #selected: Point | undefined
  #drag: { readonly x: number; readonly left: number } | undefined
  /** It stays at its right end while more comes. */
  #follows: boolean
  /** Called when somebody looks at something, and what comes should not move it away. */
  onHold: () => void = () => undefined

  constructor(follows: boolean) {
    this.#follows = follows
    this.#stage = find('#stage')
    this.#canvas = findAs('#canvas', SVGSVGElement)
    this.#labels = findAs('#labels', SVGSVGElement)
    this.#tip = new Tip(find('#tip'))
    this.#now = find('#now')
    this.#states = find('#states')
    this.#list = find('#list')
    this.#listen()
  }

  /** Goes on with what comes. */
  follow(): void {
    this.#follows = true
    this.#selected = undefined
  }

  /** Other events, or more of them. */
  show(lines: readonly TraceLine[]): void {
    this.#merged = merge(lines)
    this.#offerLocks()
    this.#rebuild()
  }

  #offerLocks(): void {
    const select = findAs('#lock', HTMLSelectElement)
    const names = ['', ...lockNames(this.#merged)]
    const before = [...select.options].map(({ value }) => value)
    if (names.join('\n') === before.join('\n')) return
    const { value } = select
    select.replaceChildren(
      ...names.map(name => make('option', name === '' ? 'all locks' : name, { value: name })),
    )
    select.value = names.includes(value) ? value : ''
  }

  #rebuild(): void {
    const kinds = new Set<Kind>(['locks'])
    for (const kind of ['views', 'variables'] as const) {
      if (findAs(`#${kind}`, HTMLInputElement).checked) kinds.add(kind)
    }
    const { value } = findAs('#lock', HTMLSelectElement)
    const names = value === '' ? undefined : new Set([value])
    this.#diagram = build(this.#merged, { kinds, names })
    this.#selected = undefined
    this.#labels.innerHTML = hostLabels(this.#diagram)
    this.#drawn = [0, -1]
    find('#count').textContent =
      `${this.#diagram.points.length} events, ${this.#diagram.arrows.length} messages` +
      (this.#diagram.skipped > 0 ? `, ${this.#diagram.skipped} events missing` : '') +
      (this.#diagram.base > 0 ? `; times less ${this.#diagram.base}` : '')
    if (findAs('#all', HTMLDetailsElement).open) this.#writeList()
    if (this.#follows) this.#left = this.#rightmost
    this.#move()
    this.#tell()
  }

  get #rightmost(): number {
    const width = this.#diagram === undefined ? 0 : sizeOf(this.#diagram).width * this.#zoom
    return Math.max(0, width - this.#width)
  }

  get #width(): number {
    return Math.max(100, this.#stage.clientWidth - LABELS_WIDTH)
  }

  /** Draws what is seen, if that is not drawn already, and puts it in its place. */
  #move(): void {
    const diagram = this.#diagram
    if (diagram === undefined) return
    this.#left = Math.max(0, Math.min(this.#left, this.#rightmost))
    const height = Math.round((sizeOf(diagram).height - 40) * this.#zoom)
    this.#stage.style.setProperty('--height', `${height}px`)
    const from = this.#left / this.#zoom / COLUMN_WIDTH - 1
    const to = (this.#left + this.#width) / this.#zoom / COLUMN_WIDTH + 1
    if (from < this.#drawn[0] || to > this.#drawn[1]) {
      this.#drawn = [from - AROUND, to + AROUND]
      const options = { from: this.#drawn[0], to: this.#drawn[1] }
      findAs('#drawing', SVGElement).innerHTML = drawing(diagram, options)
    }
    const scale = `translate(${LABELS_WIDTH - this.#left} 0) scale(${this.#zoom})`
    findAs('#drawing', SVGElement).setAttribute('transform', scale)
    findAs('#cursor', SVGElement).setAttribute('transform', scale)
    this.#labels.setAttribute('viewBox', `0 0 ${LABELS_WIDTH} ${this.#canvas.clientHeight || 100}`)
    for (const [row, label] of [...this.#labels.children].entries()) {
      const shift = yOf(row) * (this.#zoom - 1)
      label.setAttribute('transform', `translate(0 ${Math.round(shift)})`)
    }
    this.#drawCursor()
  }

  #drawCursor(): void {
    const point = this.#selected
    const cursor = findAs('#cursor', SVGElement)
    if (point === undefined || this.#diagram === undefined) {
      cursor.innerHTML = ''
      return
    }
    const [x, y] = [xOf(point.column), yOf(point.row)]
    const height = sizeOf(this.#diagram).height
    cursor.innerHTML =
      `<line class="guide" x1="${x}" x2="${x}" y1="10" y2="${height - 40}"/>` +
      `<circle class="halo" cx="${x}" cy="${y}" r="11"/>`
  }

  #listen(): void {
    const stage = this.#stage
    stage.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (this.#key(event.key)) event.preventDefault()
    })
    stage.addEventListener('pointerdown', event => {
      if (event.button !== 0) return
      this.#drag = { x: event.clientX, left: this.#left }
    })
    stage.addEventListener('pointermove', event => {
      if (this.#drag === undefined) {
        this.#tip.follow(event, this.#diagram)
        return
      }
      const moved = event.clientX - this.#drag.x
      if (Math.abs(moved) > 3 && !stage.hasPointerCapture(event.pointerId)) {
        stage.setPointerCapture(event.pointerId)
      }
      this.#tip.hide()
      this.#panTo(this.#drag.left - moved)
    })
    stage.addEventListener('pointerup', event => {
      const wasClick = this.#drag !== undefined && Math.abs(event.clientX - this.#drag.x) <= 3
      this.#drag = undefined
      const index = wasClick ? indexOf(event.target, 'point') : undefined
      if (index !== undefined) this.#select(this.#diagram?.points[index])
    })
    stage.addEventListener('pointercancel', () => (this.#drag = undefined))
    stage.addEventListener('pointerleave', () => this.#tip.hide())
    stage.addEventListener('wheel', event => this.#wheel(event), { passive: false })
    new ResizeObserver(() => this.#move()).observe(stage)
    find('#in').addEventListener('click', () => this.#zoomBy(ZOOM_STEP))
    find('#out').addEventListener('click', () => this.#zoomBy(1 / ZOOM_STEP))
    find('#fit').addEventListener('click', () => this.#fit())
    find('#next').addEventListener('click', () => this.#step(1))
    find('#previous').addEventListener('click', () => this.#step(-1))
    for (const id of ['#lock', '#views', '#variables']) {
      find(id).addEventListener('change', () => this.#rebuild())
    }
    find('#all').addEventListener('toggle', () => this.#writeList())
  }

  #wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault()
      const at = event.clientX - this.#stage.getBoundingClientRect().left - LABELS_WIDTH
      this.#zoomBy(Math.exp(-event.deltaY / 300), at)
      return
    }
    const move = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault()
      this.#panTo(this.#left + move)
    }
  }

  /** True: the key means something here. */
  #key(key: string): boolean {
    const points = this.#diagram?.points ?? []
    switch (key) {
      case 'ArrowRight':
        this.#step(1)
        return true
      case 'ArrowLeft':
        this.#step(-1)
        return true
      case 'ArrowDown':
        this.#stepRow(1)
        return true
      case 'ArrowUp':
        this.#stepRow(-1)
        return true
      case 'Home':
        this.#select(points[0])
        return true
      case 'End':
        this.#select(points.at(-1))
        return true
      case 'Enter':
        this.#follow()
        return true
      case 'Escape':
        this.#select(undefined)
        return true
      case '+':
      case '=':
        this.#zoomBy(ZOOM_STEP)
        return true
      case '-':
        this.#zoomBy(1 / ZOOM_STEP)
        return true
      case '0':
        this.#fit()
        return true
      default:
        return false
    }
  }

  #step(by: 1 | -1): void {
    const points = this.#diagram?.points ?? []
    const first = by === 1 ? points[0] : points.at(-1)
    const next = this.#selected === undefined ? first : points[this.#selected.index + by]
    if (next !== undefined) this.#select(next)
  }

  /** The nearest event on the next line that has one. */
  #stepRow(by: 1 | -1): void {
    const { points, hosts } = this.#diagram ?? { points: [], hosts: [] }
    const from = this.#selected ?? points[0]
    if (from === undefined) return
    for (let row = from.row + by; row >= 0 && row < hosts.length; row += by) {
      let best: Point | undefined
      for (const point of points) {
        if (point.row !== row) continue
        const distance = Math.abs(point.column - from.column)
        if (best === undefined || distance < Math.abs(best.column - from.column)) best = point
      }
      if (best !== undefined) {
        this.#select(best)
        return
      }
    }
  }

  /** Along a message: from its send to its delivery, or back. */
  #follow(): void {
    const point = this.#selected
    const arrow = point?.arrows[0]
    if (arrow === undefined) return
    this.#select(arrow.send === point ? (arrow.deliver ?? point) : arrow.send)
  }

  #select(point: Point | undefined): void {
    this.#selected = point
    if (point !== undefined) {
      this.#hold()
      const x = xOf(point.column) * this.#zoom - this.#left
      if (x < 60 || x > this.#width - 120)
        this.#left = xOf(point.column) * this.#zoom - this.#width / 2
    }
    this.#move()
    this.#tell()
  }

  /** What is selected, in words; and how every host is by then. */
  #tell(): void {
    const diagram = this.#diagram
    const point = this.#selected
    if (diagram === undefined) return
    this.#now.textContent =
      point === undefined
        ? 'No event is selected. In the diagram, → and ← step through the events.'
        : `${point.index + 1} of ${diagram.points.length}. ${pointText(diagram, point)}.`
    this.#states.innerHTML = statesOf(diagram, point)
  }

  #writeList(): void {
    const diagram = this.#diagram
    if (diagram === undefined || !findAs('#all', HTMLDetailsElement).open) return
    this.#list.innerHTML = listOf(diagram)
  }

  #panTo(left: number): void {
    this.#left = left
    this.#move()
    this.#hold()
  }

  #hold(): void {
    this.#follows = false
    this.onHold()
  }

  #zoomBy(factor: number, at: number = this.#width / 2): void {
    const zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, this.#zoom * factor))
    this.#left = ((this.#left + at) * zoom) / this.#zoom - at
    this.#zoom = zoom
    this.#drawn = [0, -1]
    this.#move()
  }

  #fit(): void {
    if (this.#diagram === undefined) return
    this.#zoom = Math.min(1, Math.max(ZOOM_MIN, this.#width / sizeOf(this.#diagram).width))
    this.#left = 0
    this.#drawn = [0, -1]
    this.#move()
  }
}
