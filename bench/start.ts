// How long a line of lamportctl takes, beside Node that does nothing: `npm run bench:start`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isMet, quantile, startGoals } from './measures.ts'
import { describeMachine, formatGoals, formatMachine, ms, table } from './report.ts'
import { LamportSite } from './variables/lamport.ts'
import { Place } from './variables/place.ts'

import type { StartRow } from './measures.ts'

const LAMPORTCTL = fileURLToPath(new URL('../lamportctl.cjs', import.meta.url))

/** They take turns, so that all meet the same machine. */
const TURNS = 60
const WARM_UP = 5

/** What is run, all of it once a turn. */
const LINES: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['node -e 0', ['-e', '0']],
  ['lamportctl lock x true', [LAMPORTCTL, 'lock', 'x', 'true']],
  ['lamportctl get x', [LAMPORTCTL, 'get', 'x']],
]

/** Milliseconds from the call to the end of the process. */
function run(args: readonly string[], socket: string): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, LAMPORT_SOCKET: socket },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status !== 0) throw new Error(`${args.join(' ')}: exit ${status}: ${String(stderr)}`)
  return performance.now() - start
}

function measure(socket: string): StartRow[] {
  const took = LINES.map((): number[] => [])
  run([LAMPORTCTL, 'set', 'x', '12'], socket)
  for (let turn = -WARM_UP; turn < TURNS; turn++) {
    LINES.forEach(([, args], at) => {
      const time = run(args, socket)
      if (turn >= 0) took[at]?.push(time)
    })
  }
  return LINES.map(([name], at) => {
    const times = took[at] ?? []
    return { name, p50: quantile(times, 0.5), p10: quantile(times, 0.1), p90: quantile(times, 0.9) }
  })
}

async function main(): Promise<boolean> {
  const place = new Place()
  try {
    console.log(formatMachine({ ...describeMachine(), priority: place.isPreferred ? 'yes' : 'no' }))
    const site = new LamportSite(place, 'start', '127.0.84')
    await site.start()
    const rows = measure(site.socket(1))
    const cells = rows.map(({ name, p10, p50, p90 }) => [name, ...[p10, p50, p90].map(ms)])
    console.log(`\nWall time in ms\n${table([['', 'p10', 'p50', 'p90'], ...cells])}`)
    const goals = startGoals(rows)
    console.log(`\n${formatGoals(goals)}`)
    return goals.every(isMet)
  } finally {
    place.end()
  }
}

process.exit((await main()) ? 0 : 1)
