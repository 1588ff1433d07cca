import type { Comparison, Figure } from '../sim/comparison.ts'
import type { Load } from '../sim/measuring.ts'
import { heading, table, type Cell } from './table.ts'

const ABOUT: Readonly<Record<Load, string>> = {
  light: 'Light load: one request at a time.',
  saturated: 'Saturated: every host asks again as soon as it has left.',
}

/** Columns for a figure and its mark. */
const FIGURE = 8

/** A table a load, and what they mean. */
export function comparisonText(
  results: readonly Comparison[],
  loads: readonly Load[],
  isColoured: boolean,
): string {
  const tables = loads.map(load => {
    const rows = rowsOf(results.filter(each => each.load === load))
    return `${ABOUT[load]}\n\n${table(rows, isColoured)}`
  })
  return [...tables, legend(results)].join('\n\n')
}

function rowsOf(results: readonly Comparison[]): Cell[][] {
  const hasHandovers = results.some(each => each.synchronisation !== undefined)
  const titles = ['MESSAGES', ...(hasHandovers ? ['SYNC'] : []), 'RESPONSE']
  const rows: Cell[][] = [
    heading('HOSTS', 'ALGORITHM', ...titles.flatMap(title => [title.padStart(FIGURE), 'THEORY'])),
  ]
  let hosts = 0
  for (const result of results) {
    const { messages, synchronisation, response } = result
    if (hosts !== 0 && hosts !== result.hosts) rows.push([])
    const figures = [
      messages,
      ...(synchronisation === undefined ? [] : [synchronisation]),
      response,
    ]
    rows.push([
      hosts === result.hosts ? '' : String(result.hosts).padStart(5),
      result.title,
      ...figures.flatMap(each => [measuredCell(each), each.theory.text]),
    ])
    hosts = result.hosts
  }
  return rows
}

/** Right-aligned; what is not as theory says has a mark before it. */
function measuredCell({ measured, isWithin }: Figure): Cell {
  const text = measured.toFixed(2)
  if (isWithin) return text.padStart(FIGURE)
  return { text: `! ${text}`.padStart(FIGURE), colour: 'red' }
}

function legend(results: readonly Comparison[]): string {
  const checked = results.reduce((sum, each) => sum + each.checked, 0)
  // As exact as it matters: what is on paper need not change with every draw of chance.
  const entries = checked < 1000 ? `${checked}` : `more than ${Math.floor(checked / 1000)},000`
  const violations = results.flatMap(({ title, hosts, violations: all }) =>
    all.map(violation => `! ${title}, ${hosts} hosts, ${violation}`),
  )
  const figures = results
    .flatMap(each => [each.messages, each.synchronisation, each.response])
    .filter(each => each !== undefined)
  const strange = figures.filter(each => !each.isWithin).length
  return [
    'N hosts; K in a quorum, on average. SYNC: from an exit to the next entry. RESPONSE: from a',
    'request to its entry. Both in message delays; a host stays inside for one.',
    strange === 0
      ? 'Every figure is as theory says.'
      : `! marks what is not as theory says: ${strange} of ${figures.length} figures.`,
    violations.length === 0
      ? `In ${entries} entries never two were inside, and nobody waited for ever.`
      : violations.join('\n'),
  ].join('\n')
}

/** As docs/json.md has it. */
export function resultJson(result: Comparison): unknown {
  const { algorithm, load, hosts, quorum, entries, types, checked, violations } = result
  const { messages, synchronisation, response } = result
  return {
    ...{ algorithm, load, hosts, quorum: quorum ?? null, entries },
    messages: figureJson(messages),
    types,
    synchronisation: synchronisation === undefined ? null : figureJson(synchronisation),
    response: figureJson(response),
    ...{ checked, violations },
  }
}

/** What has no upper bound has null. */
function figureJson({ measured, theory, isWithin }: Figure): unknown {
  const { text, min, max } = theory
  return { measured, theory: text, min, max: max === Infinity ? null : max, within: isWithin }
}
