import { parseTrace } from './parse.ts'
import { build } from './build.ts'
import { merge } from './merge.ts'
import { lockNames, type Kind } from './model.ts'
import { diagramPage } from './page.ts'
import { pageScripts } from './scripts.ts'
import { shiviz } from './shiviz.ts'
import { svgDocument } from './svg.ts'
import { diagramText } from './text.ts'

export type Format = 'text' | 'svg' | 'html' | 'shiviz'

export type RenderOptions = {
  readonly format: Format
  readonly title: string | undefined
  /** Of the terminal, for text. */
  readonly columns: number
  /** Locks that are shown; none: all. */
  readonly locks: readonly string[]
  /** Also how views come about, and variables. */
  readonly all: boolean
  /** SHA-256 in base64. */
  readonly hash: (text: string) => string
}

/** Files of traces as one diagram; or what is wrong with them, and what to do. */
export function render(
  files: readonly { readonly name: string; readonly text: string }[],
  options: RenderOptions,
): { readonly output: string } | { readonly problem: string } {
  const lines = []
  for (const { name, text } of files) {
    const parsed = parseTrace(text)
    if ('problem' in parsed) return { problem: `${name}:${parsed.problem}` }
    lines.push(...parsed.lines)
  }
  const merged = merge(lines)
  const known = lockNames(merged)
  const unknown = options.locks.find(name => !known.includes(name))
  if (unknown !== undefined) {
    const there = known.length === 0 ? 'no lock is in it' : `there are ${known.join(', ')}`
    return { problem: `the lock ${JSON.stringify(unknown)} is not in the trace (${there})` }
  }
  const title = options.title ?? (merged.cluster === '' ? 'Trace' : `Trace of ${merged.cluster}`)
  if (options.format === 'html') {
    const script = pageScripts().diagram
    return { output: diagramPage({ title, script, hash: options.hash }, lines) }
  }
  const kinds = new Set<Kind>(options.all ? ['locks', 'views', 'variables'] : ['locks'])
  const names = options.locks.length === 0 ? undefined : new Set(options.locks)
  const diagram = build(merged, { kinds, names })
  switch (options.format) {
    case 'text':
      return { output: diagramText(diagram, { columns: options.columns }) }
    case 'svg':
      return { output: svgDocument(diagram, title) }
    case 'shiviz':
      return { output: shiviz(diagram) }
  }
}
