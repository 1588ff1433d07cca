// Shared variables beside etcd, and beside what bounds both: `npm run bench:variables`.
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { isMet } from './measures.ts'
import { describeMachine, formatGoals, formatMachine } from './report.ts'
import { contest } from './variables/contest.ts'
import { etcdProblem, etcdVersion } from './variables/etcd.ts'
import { measureMany } from './variables/many.ts'
import { Place } from './variables/place.ts'
import {
  formatMany,
  formatQuartiles,
  formatVariablesRows,
  manyGoals,
  toVariablesRow,
  variablesGoals,
} from './variables/results.ts'
import { VariablesStage } from './variables/stage.ts'

const EX_USAGE = 64
const EX_UNAVAILABLE = 69

const USAGE = `npm run bench:variables -- [--quick] [--json FILE]

  --quick      fewer turns
  --json FILE  writes the numbers there as well`

/** How much is measured. */
type Plan = { readonly turns: number; readonly warmUp: number; readonly repeats: number }

/** What V8 compiles for the long run, it compiles late: daemons run for months. */
const FULL: Plan = { turns: 60, warmUp: 100, repeats: 3 }
const QUICK: Plan = { turns: 15, warmUp: 25, repeats: 1 }

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const problem = etcdProblem()
  if (problem !== undefined) {
    console.error(`bench: ${problem}`)
    return EX_UNAVAILABLE
  }
  const place = new Place()
  process.on('exit', () => place.end())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
  const machine = {
    ...describeMachine(),
    etcd: etcdVersion(),
    disk: place.disk,
    priority: place.isPreferred ? 'real-time (chrt --rr)' : 'normal',
  }
  console.log(formatMachine(machine))
  const plan = values.quick ? QUICK : FULL
  const stage = await VariablesStage.open(place)
  const series = await contest(stage.entrants, plan.turns, plan.warmUp)
  await stage.close()
  const rows = series.map(toVariablesRow)
  console.log(`\nHow long it takes, in ms\n${formatVariablesRows(rows)}`)
  const many = await measureMany(place, plan.repeats)
  console.log(`\n10,000 variables of 1 KiB\n${formatMany(many)}`)
  const goals = [...variablesGoals(series), ...manyGoals(many)]
  console.log(`\nGoals\n${formatGoals(goals)}`)
  console.log(`\nQuartiles of the ratios of single turns\n${formatQuartiles(goals)}`)
  const [load] = loadavg()
  console.log(`\nload average at the end: ${(load ?? NaN).toFixed(2)}`)
  if (values.json !== undefined) {
    const numbers = { machine, rows, many, goals, series }
    writeFileSync(values.json, `${JSON.stringify(numbers, undefined, 2)}\n`)
  }
  return goals.every(isMet) ? 0 : 1
}

try {
  process.exit(await main())
} catch (error) {
  // parseArgs throws a TypeError that quotes the wrong option.
  if (!(error instanceof TypeError && 'code' in error)) throw error
  console.error(`bench: ${error.message}\n${USAGE}`)
  process.exit(EX_USAGE)
}
