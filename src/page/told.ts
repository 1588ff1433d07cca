/** What a page says of a diagram in words. */
import type { Diagram, Point } from '../diagram/model.ts'
import {
  arrowText,
  escapeText,
  fateText,
  hostName,
  pointText,
  sectionText,
  stateText,
} from '../diagram/words.ts'

/** What is shown beside the pointer. */
export class Tip {
  readonly #element: HTMLElement

  constructor(element: HTMLElement) {
    this.#element = element
  }

  /** Says what is under the pointer, if there is something. */
  follow(event: PointerEvent, diagram: Diagram | undefined): void {
    const text = diagram === undefined ? undefined : textOf(diagram, event.target)
    if (text === undefined) {
      this.hide()
      return
    }
    const tip = this.#element
    tip.textContent = text
    tip.hidden = false
    const { width, height } = tip.getBoundingClientRect()
    const x = Math.min(event.clientX + 14, innerWidth - width - 8)
    const below = event.clientY + 18
    const y = below + height > innerHeight ? event.clientY - height - 12 : below
    tip.style.left = `${Math.max(4, x)}px`
    tip.style.top = `${y}px`
  }

  hide(): void {
    this.#element.hidden = true
  }
}

/** Which point, arrow or section this is, or is part of. */
export function indexOf(
  target: EventTarget | null,
  what: 'point' | 'arrow' | 'section',
): number | undefined {
  if (!(target instanceof Element)) return undefined
  const value = target.closest(`[data-${what}]`)?.getAttribute(`data-${what}`)
  return value === null || value === undefined ? undefined : Number(value)
}

function textOf(diagram: Diagram, target: EventTarget | null): string | undefined {
  const point = diagram.points[indexOf(target, 'point') ?? -1]
  if (point !== undefined) return `${pointText(diagram, point)}.\n${stateText(diagram, point)}`
  const arrow = diagram.arrows[indexOf(target, 'arrow') ?? -1]
  if (arrow !== undefined) {
    const names = arrow.names.length === 0 ? '' : `\nlock: ${arrow.names.join(', ')}`
    const ways = `${hostName(diagram, arrow.fromRow)} → ${hostName(diagram, arrow.toRow)}`
    const sent = `sent at ${arrow.send.time - diagram.base}, ${fateText(diagram, arrow)}`
    return `${arrowText(diagram, arrow)}\n${ways}\n${sent}${names}`
  }
  const token = indexOf(target, 'section')
  const section = diagram.sections.find(each => each.token === token)
  return section === undefined ? undefined : sectionText(diagram, section)
}

/** How every host is after this point, or in the end: rows of a table. */
export function statesOf(diagram: Diagram, point: Point | undefined): string {
  const end = point?.index ?? diagram.points.length - 1
  const rows = diagram.hosts.map((_, row) => {
    const last = diagram.points.findLast(other => other.row === row && other.index <= end)
    const state = last === undefined ? 'nothing yet' : stateText(diagram, last)
    const name = escapeText(hostName(diagram, row))
    return `<tr><th scope="row">${name}</th><td>${escapeText(state)}</td></tr>`
  })
  return rows.join('')
}

/** Every event, and what never arrived: items of a list. */
export function listOf(diagram: Diagram): string {
  const items = diagram.points.map(point => {
    const state = escapeText(stateText(diagram, point))
    return `<li>${escapeText(pointText(diagram, point))}. <span>${state}</span></li>`
  })
  const lost = diagram.arrows
    .filter(({ deliver }) => deliver === undefined)
    .map(arrow => `${arrowText(diagram, arrow)}: ${fateText(diagram, arrow)}`)
    .map(text => `<li>${escapeText(text)}</li>`)
  return items.join('') + lost.join('')
}
