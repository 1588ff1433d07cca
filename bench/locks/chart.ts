import { quantile } from '../measures.ts'
import { ms } from '../report.ts'

import type { Results } from './results.ts'

/** One picture of a chart: a title, and a bar each. */
type Panel = {
  readonly title: string
  readonly bars: readonly { readonly name: string; readonly value: number; readonly text: string }[]
}

const WIDTH = 860
const LABEL = 300
const VALUE = 90
const BAR = 18
const GAP = 6
const TITLE = 34
const OWN = '#2266aa'
const OTHER = '#b0b8c0'

/** The main figures as bars of an SVG, on a logarithmic scale: a bar of double length is no double. */
export function chartOf(results: Results): string {
  const { latency, contended, independent, registers, deaths } = results
  const median = (values: readonly (readonly number[])[]): number => quantile(values.flat(), 0.5)
  const rate = (value: number): string => `${value.toFixed(0)}/s`
  const panels: Panel[] = [
    {
      title: 'W1: to get a lock that nobody else wants, p50 in ms (short is good)',
      bars: latency.map(({ name, acquire }) => bar(name, median(acquire), ms)),
    },
    {
      title: 'W2: three clients want one lock, entries a second (long is good)',
      bars: contended.map(({ name, perSecond }) => bar(name, quantile(perSecond, 0.5), rate)),
    },
    {
      title: 'W3: 64 workers, a lock each, cycles a second (long is good)',
      bars: independent.map(({ name, perSecond }) => bar(name, quantile(perSecond, 0.5), rate)),
    },
    {
      title: 'W4: to set a variable, p50 in ms (short is good)',
      bars: registers.map(({ name, set }) => bar(name, median(set), ms)),
    },
    {
      title: 'W6: from the death of the holder to the next grant, p50 in ms (short is good)',
      bars: deaths.map(({ name, took }) => bar(name, quantile(took, 0.5), ms)),
    },
  ]
  return svg(panels.filter(({ bars }) => bars.length > 0))
}

function bar(name: string, value: number, format: (value: number) => string): Panel['bars'][0] {
  return { name, value, text: format(value) }
}

function svg(panels: readonly Panel[]): string {
  const parts: string[] = []
  let y = 20
  parts.push(text(8, y - 4, 'Scales are logarithmic: twice as long is not twice as much.'))
  for (const { title, bars } of panels) {
    y += TITLE
    parts.push(text(8, y - 10, title, 'font-weight="bold"'))
    const logs = bars.map(({ value }) => Math.log10(value))
    const [low, high] = [Math.min(...logs) - 0.3, Math.max(...logs)]
    for (const [i, { name, value, text: shown }] of bars.entries()) {
      const share = high > low ? ((logs[i] ?? low) - low) / (high - low) : 1
      const width = Number.isFinite(value) ? Math.max(2, share * (WIDTH - LABEL - VALUE)) : 0
      const fill = name.startsWith('lamportd') ? OWN : OTHER
      const middle = y + BAR - 5
      parts.push(text(LABEL - 8, middle, name, 'text-anchor="end"'))
      const at = `x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}"`
      parts.push(`<rect ${at} fill="${fill}"/>`, text(LABEL + width + 6, middle, shown))
      y += BAR + GAP
    }
  }
  const size = `width="${WIDTH}" height="${y + 10}" viewBox="0 0 ${WIDTH} ${y + 10}"`
  const style = 'font-family="sans-serif" font-size="12"'
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>`
  const ground = '<rect width="100%" height="100%" fill="white"/>'
  return `${[head, ground, ...parts, '</svg>'].join('\n')}\n`
}

function text(x: number, y: number, content: string, more = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y}" ${more}>${escaped}</text>`
}
