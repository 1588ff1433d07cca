import { isatty } from 'node:tty'
import { printable } from './output.ts'
import { width } from './width.ts'

export type Colour = 'bold' | 'red' | 'green' | 'yellow'

/** A text, or one with a colour, where colours are shown. */
export type Cell = string | { readonly text: string; readonly colour: Colour }

const CODES: Readonly<Record<Colour, number>> = { bold: 1, red: 31, green: 32, yellow: 33 }

/** Columns as wide as their widest cell, two spaces between, none at the end of a line. */
export function table(rows: readonly (readonly Cell[])[], isColoured: boolean = false): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, width(textOf(cell)))
    })
  }
  const lines = rows.map(row => {
    const last = row.findLastIndex(cell => textOf(cell) !== '')
    return row.slice(0, last + 1).map((cell, column) => {
      const text = textOf(cell)
      const gap = column === last ? 0 : (widths[column] ?? 0) - width(text)
      return (isColoured ? painted(cell) : text) + ' '.repeat(gap)
    })
  })
  return lines.map(line => line.join('  ').trimEnd()).join('\n')
}

/** The titles of columns. */
export function heading(...titles: readonly string[]): Cell[] {
  return titles.map(text => ({ text, colour: 'bold' }))
}

/** Whether people see what is written there, in colours: https://no-color.org. */
export function hasColours(descriptor: number): boolean {
  const { NO_COLOR, TERM } = process.env
  return (NO_COLOR ?? '') === '' && TERM !== 'dumb' && isatty(descriptor)
}

function textOf(cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell.text)
}

function painted(cell: Cell): string {
  if (typeof cell === 'string') return textOf(cell)
  return `\u001b[${CODES[cell.colour]}m${textOf(cell)}\u001b[0m`
}
