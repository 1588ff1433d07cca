// Latencies of lamportd's transport beside others' on a network that loses packets:
// `npm run bench:loss`.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { measureLoopback } from './loopback.ts'
import { bulkGoals, isMet, lossGoals, loopbackGoals, quantile } from './measures.ts'
import {
  describeMachine,
  formatBulk,
  formatGoals,
  formatLoopback,
  formatMachine,
  formatRows,
} from './report.ts'
import { entrants, LAMPORTD, PACKAGES, Stage } from './stage.ts'

import type { BulkRow, Row } from './measures.ts'
import type { HostPair, Measured } from './pair.ts'
import type { Entrant } from './stage.ts'

const EX_USAGE = 64
const EX_UNAVAILABLE = 69

const USAGE = `npm run bench:loss -- [--quick] [--json FILE] [--seed N]

  --quick      fewer messages, in some two minutes instead of some ten
  --json FILE  writes the numbers there as well
  --seed N     decides when messages are due`

/** How much is measured. */
type Plan = {
  readonly losses: readonly number[]
  /** The transports take turns, this often at each loss. */
  readonly turns: number
  readonly turnMs: number
  readonly roundsMs: number
  readonly bulkTurnMs: number
}

const FULL: Plan = {
  losses: [0, 1, 5, 10, 20],
  turns: 5,
  turnMs: 4000,
  roundsMs: 2000,
  bulkTurnMs: 5000,
}
const QUICK: Plan = { losses: [0, 5, 20], turns: 1, turnMs: 4000, roundsMs: 500, bulkTurnMs: 2000 }

/** Each pair has 20 messages a second: few enough that most are alone. */
const PAIRS = 50
const RATE = 20
/** Requests and replies are looked at without loss, and with. */
const ROUNDS_PAIRS = 4
const ROUNDS_LOSSES = [0, 5]

/** Locks, while long messages go on and while not, in turns. */
const BULK_PORT = 7700
const BULK_LOSSES = [0, 5]
const BULK_RATE = 200
const BULK_TURNS = 4

const WARM_UP_MS = 2000
/** TCP doubles its timeout with each loss of the same segment. */
const PATIENCE_MS = 30_000

type Parts = { measured: Measured[]; datagrams: number }

class Benchmark {
  readonly #stage: Stage
  readonly #plan: Plan
  readonly #seed: number
  readonly #pairs = new Map<Entrant, HostPair>()

  constructor(stage: Stage, plan: Plan, seed: number) {
    this.#stage = stage
    this.#plan = plan
    this.#seed = seed
  }

  /** Every transport under every loss. */
  async rows(): Promise<readonly Row[]> {
    const { entrants, lan } = this.#stage
    for (const entrant of entrants) {
      this.#pairs.set(entrant, await this.#stage.open(entrant, PAIRS))
      await this.#lone(entrant, 0, WARM_UP_MS)
    }
    const rows: Row[] = []
    for (const loss of this.#plan.losses) {
      progress(`${loss} % loss`)
      lan.lose(loss)
      const parts = new Map(entrants.map(each => [each, { measured: [], datagrams: 0 }]))
      for (let turn = 0; turn < this.#plan.turns; turn++) {
        for (let i = 0; i < entrants.length; i++) {
          // Each is first at times.
          const each = entrants[(i + turn) % entrants.length] as Entrant
          const seed = this.#seed + 1000 * loss + turn
          await this.#counted(each, parts, () => this.#lone(each, seed, this.#plan.turnMs))
        }
      }
      for (const [each, part] of parts) rows.push(toRow('lone', each, loss, part))
    }
    for (const loss of ROUNDS_LOSSES) {
      progress(`requests and replies at ${loss} % loss`)
      lan.lose(loss)
      for (const each of entrants) {
        const parts = new Map([[each, { measured: [], datagrams: 0 }]])
        const { roundsMs } = this.#plan
        await this.#counted(each, parts, () =>
          this.#pair(each).rounds(ROUNDS_PAIRS, roundsMs, PATIENCE_MS),
        )
        for (const [, part] of parts) rows.push(toRow('request and reply', each, loss, part))
      }
    }
    lan.heal()
    return rows
  }

  /** Locks beside 1 MiB messages, on channels of one session. */
  async bulkRows(): Promise<readonly BulkRow[]> {
    const { lan } = this.#stage
    const pair = await this.#stage.open(LAMPORTD, 1, BULK_PORT)
    const run = (seed: number, durationMs: number): Promise<Measured> => {
      const load = { seed, pairs: 1, rate: BULK_RATE, durationMs }
      return pair.send({ type: 'send', kind: 'request', load }, PATIENCE_MS)
    }
    const warmUp = async (): Promise<void> => {
      await pair.bulk(true)
      await run(0, WARM_UP_MS)
      await pair.bulk(false)
      await run(0, WARM_UP_MS)
    }
    await warmUp()
    const rows: BulkRow[] = []
    for (const loss of BULK_LOSSES) {
      progress(`long messages at ${loss} % loss`)
      lan.lose(loss)
      const without: Measured[] = []
      const beside: Measured[] = []
      for (let turn = 0; turn < BULK_TURNS; turn++) {
        without.push(await run(this.#seed + turn, this.#plan.bulkTurnMs))
        await pair.bulk(true)
        beside.push(await run(this.#seed + turn, this.#plan.bulkTurnMs))
        await pair.bulk(false)
        // The last long message is still on its way.
        await new Promise(resolve => setTimeout(resolve, 500))
      }
      const bulk = beside.flatMap(each => each.bulk)
      rows.push({
        lossPercent: loss,
        p99Without: quantile(joined(without), 0.99),
        p99With: quantile(joined(beside), 0.99),
        bulkP50: quantile(bulk, 0.5),
        bulkCount: bulk.length,
        fault: [...without, ...beside].find(each => each.fault !== undefined)?.fault,
      })
    }
    lan.heal()
    return rows
  }

  #lone(entrant: Entrant, seed: number, durationMs: number): Promise<Measured> {
    const load = { seed, pairs: PAIRS, rate: RATE, durationMs }
    return this.#pair(entrant).send({ type: 'send', kind: 'lone', load }, PATIENCE_MS)
  }

  async #counted(
    entrant: Entrant,
    parts: ReadonlyMap<Entrant, Parts>,
    measure: () => Promise<Measured>,
  ): Promise<void> {
    const before = this.#stage.passed(entrant)
    const measured = await measure()
    const part = parts.get(entrant)
    part?.measured.push(measured)
    if (part !== undefined) part.datagrams += this.#stage.passed(entrant) - before
  }

  #pair(entrant: Entrant): HostPair {
    const pair = this.#pairs.get(entrant)
    if (pair === undefined) throw new Error(`${entrant.name} has been opened`)
    return pair
  }
}

function toRow(pattern: Row['pattern'], entrant: Entrant, loss: number, parts: Parts): Row {
  const { measured, datagrams } = parts
  const latencies = joined(measured)
  const count = measured.reduce((sum, each) => sum + each.count, 0)
  const messages = pattern === 'lone' ? count : 2 * count
  return {
    pattern,
    transport: entrant.name,
    lossPercent: loss,
    messages,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    p999: quantile(latencies, 0.999),
    p50FromSend: quantile(
      measured.flatMap(each => [...each.fromSend]),
      0.5,
    ),
    datagramsPerMessage: datagrams / messages,
    fault: measured.find(each => each.fault !== undefined)?.fault,
  }
}

function joined(measured: readonly Measured[]): number[] {
  return measured.flatMap(each => [...each.latencies])
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text} ...\n`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      json: { type: 'string' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const problem = Stage.problem()
  if (problem !== undefined) {
    console.error(`bench: ${problem} (as root: ${PACKAGES})`)
    return EX_UNAVAILABLE
  }
  const machine = describeMachine()
  console.log(formatMachine(machine))
  const plan = values.quick ? QUICK : FULL
  const stage = new Stage(entrants())
  process.on('exit', () => stage.end())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
  const benchmark = new Benchmark(stage, plan, Number(values.seed))
  const rows = await benchmark.rows()
  const lone = rows.filter(({ pattern }) => pattern === 'lone')
  const title = `${PAIRS} pairs, ${RATE} messages of 100 bytes a second each`
  console.log(`\nOne way, in ms from when a message was due: ${title}\n${formatRows(lone)}`)
  const rounds = rows.filter(({ pattern }) => pattern !== 'lone')
  console.log(`\nRequest, reply, next request, in ms there and back\n${formatRows(rounds)}`)
  const bulk = await benchmark.bulkRows()
  console.log(`\nLocks while 1 MiB messages go on, in ms there and back\n${formatBulk(bulk)}`)
  stage.end()
  const loopback = await measureLoopback()
  console.log(`\nThere and back on loopback, p50\n${formatLoopback(loopback)}`)
  const goals = [...lossGoals(rows), ...bulkGoals(bulk), ...loopbackGoals(loopback)]
  console.log(`\nGoals\n${formatGoals(goals)}`)
  if (values.json !== undefined) {
    const numbers = { machine, rows, bulk, loopback, goals }
    writeFileSync(values.json, `${JSON.stringify(numbers, undefined, 2)}\n`)
  }
  const isValid = [...rows, ...bulk].every(({ fault }) => fault === undefined)
  return isValid && goals.every(isMet) ? 0 : 1
}

try {
  process.exit(await main())
} catch (error) {
  // parseArgs throws a TypeError that quotes the wrong option.
  if (!(error instanceof TypeError)) throw error
  console.error(`bench: ${error.message}\n${USAGE}`)
  process.exit(EX_USAGE)
}
