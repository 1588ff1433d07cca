// lamportd beside what people would use instead, all in one run: `npm run bench`.
import { loadavg } from 'node:os'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { chartOf } from './locks/chart.ts'
import { OTHERS } from './locks/contenders.ts'
import { clientDeaths, hostDeaths } from './locks/deaths.ts'
import { LocksFloor } from './locks/floor.ts'
import { formatFullness, LOCKS, measureFullness } from './locks/fullness.ts'
import { lamportd } from './locks/lamportd.ts'
import { formatLosses, lossProblem, measureLosses } from './locks/losses.ts'
import {
  formatContended,
  formatDeaths,
  formatIndependent,
  formatLatency,
  formatRegisters,
  locksGoals,
} from './locks/results.ts'
import { formatSizes, measureSize, SIZES } from './locks/sizes.ts'
import { alone, contend, independent, MOVING } from './locks/works.ts'
import { isMet } from './measures.ts'
import { describeMachine, formatGoals, formatMachine } from './report.ts'
import { Place } from './variables/place.ts'

import type { Deaths } from './locks/deaths.ts'
import type { Contended, Latency, Register, Results, Throughput } from './locks/results.ts'
import type { Contender, Peer } from './locks/peer.ts'
import type { Size } from './locks/sizes.ts'

const EX_USAGE = 64

const USAGE = `npm run bench -- [--quick] [--json FILE] [--svg FILE] [--only NAME]...

  --quick      fewer turns, and no more than 10 hosts
  --json FILE  writes the numbers there as well
  --svg FILE   draws the main ones
  --only NAME  measures lamportd and these alone: ${OTHERS.map(({ name }) => name).join(', ')}`

/** How much is measured. */
type Plan = {
  /** Short turns of single locks, and those before that do not count. */
  readonly turns: number
  readonly warmUp: number
  /** Before all else, each at each work. */
  readonly warmUpMs: number
  /** Turns of work that goes on for a while. */
  readonly longTurns: number
  readonly longTurnMs: number
  /** Holders that die, as long as patience lasts: some locks go with a timeout only. */
  readonly deaths: number
  readonly patienceMs: number
  readonly sizes: readonly number[]
}

const FULL: Plan = {
  turns: 60,
  warmUp: 20,
  warmUpMs: 3000,
  longTurns: 6,
  longTurnMs: 1500,
  deaths: 20,
  patienceMs: 20_000,
  sizes: SIZES,
}
const QUICK: Plan = {
  turns: 20,
  warmUp: 10,
  warmUpMs: 2000,
  longTurns: 2,
  longTurnMs: 1000,
  deaths: 5,
  patienceMs: 1000,
  sizes: SIZES.filter(size => size <= 10),
}

/** Locks in a turn, and the first ones of it that do not count: others have had the caches. */
const CYCLES = 30
const FIRST_CYCLES = 10
const WORKERS = 64

class Benchmark {
  readonly #peers: readonly Peer[]
  readonly #floor: LocksFloor
  readonly #plan: Plan

  constructor(peers: readonly Peer[], floor: LocksFloor, plan: Plan) {
    this.#peers = peers
    this.#floor = floor
    this.#plan = plan
  }

  async run(): Promise<Pick<Results, 'latency' | 'contended' | 'independent' | 'registers'>> {
    await this.#warmUp()
    const latency = await this.#latency()
    const contended = await this.#contended()
    const independent = await this.#independent()
    return { latency, contended, independent, registers: await this.#registers() }
  }

  /** Until the engines of all have compiled what is often run. */
  async #warmUp(): Promise<void> {
    for (const peer of this.#peers) {
      const end = performance.now() + this.#plan.warmUpMs
      while (performance.now() < end) {
        await alone(peer.clients.slice(0, 1), CYCLES)
        if (peer.remembers === true) await alone(peer.clients, CYCLES)
      }
      await contend(peer, this.#plan.warmUpMs)
      await independent(peer, WORKERS, this.#plan.warmUpMs)
    }
  }

  /** W1, and what bounds it. */
  async #latency(): Promise<Latency[]> {
    const floor = this.#floor
    const both = async (once: () => Promise<void>): Promise<[number[], number[]]> => {
      const took = await timed(CYCLES, once)
      return [took, took]
    }
    const entrants = [
      ...this.#peers.flatMap(({ name, clients, remembers }) => {
        const one = { name, turn: () => alone(clients.slice(0, 1), CYCLES) }
        const each = { name: `${name}${MOVING}`, turn: () => alone(clients, CYCLES) }
        return remembers === true ? [one, each] : [one]
      }),
      { name: 'Unix echo', turn: () => both(() => floor.unixEcho()) },
      { name: 'datagram echo to one', turn: () => both(() => floor.datagramEcho(1)) },
      { name: 'datagram echo to two', turn: () => both(() => floor.datagramEcho(2)) },
      { name: 'sealed echo to two', turn: () => both(() => floor.sealedEcho(2)) },
    ]
    const rows = entrants.map(({ name }): Latency => ({ name, acquire: [], cycle: [] }))
    await turns(entrants.length, this.#plan.turns, this.#plan.warmUp, async (i, counts) => {
      const [acquire, cycle] = (await entrants[i]?.turn()) ?? [[], []]
      if (!counts) return
      rows[i]?.acquire.push(acquire.slice(FIRST_CYCLES))
      rows[i]?.cycle.push(cycle.slice(FIRST_CYCLES))
    })
    return rows
  }

  /** W2. */
  async #contended(): Promise<Contended[]> {
    const peers = this.#peers
    const rows = peers.map(({ name }): Contended => ({
      name,
      perSecond: [],
      handOver: [],
      fairness: [],
    }))
    await turns(peers.length, this.#plan.longTurns, 1, async (i, counts) => {
      const peer = peers[i]
      if (peer === undefined) return
      const { perSecond, handOver, fairness } = await contend(peer, this.#plan.longTurnMs)
      if (!counts) return
      rows[i]?.perSecond.push(perSecond)
      rows[i]?.handOver.push(handOver)
      rows[i]?.fairness.push(fairness)
    })
    return rows
  }

  /** W4. */
  async #registers(): Promise<Register[]> {
    const registers = this.#peers.flatMap(({ register }) => register ?? [])
    const rows = registers.map(({ name }): Register => ({ name, set: [], get: [] }))
    await turns(registers.length, this.#plan.turns, this.#plan.warmUp, async (i, counts) => {
      const [register, row] = [registers[i], rows[i]]
      if (register === undefined || row === undefined) return
      const sets = await timed(CYCLES, () => register.set(VALUE))
      const gets = await timed(CYCLES, () => register.get())
      if (!counts) return
      row.set.push(sets.slice(FIRST_CYCLES))
      row.get.push(gets.slice(FIRST_CYCLES))
    })
    return rows
  }

  /** W3. */
  async #independent(): Promise<Throughput[]> {
    const peers = this.#peers
    const rows = peers.map(({ name }): Throughput => ({ name, perSecond: [] }))
    await turns(peers.length, this.#plan.longTurns, 1, async (i, counts) => {
      const peer = peers[i]
      if (peer === undefined) return
      const perSecond = await independent(peer, WORKERS, this.#plan.longTurnMs)
      if (counts) rows[i]?.perSecond.push(perSecond)
    })
    return rows
  }
}

async function timed(count: number, once: () => PromiseLike<unknown>): Promise<number[]> {
  const took: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await once()
    took.push(performance.now() - start)
  }
  return took
}

const VALUE = 'v'.repeat(100)

/** All take turns, so that they meet the same machine, and each is first at times. */
async function turns(
  entrants: number,
  count: number,
  warmUp: number,
  take: (entrant: number, counts: boolean) => Promise<void>,
): Promise<void> {
  for (let turn = -warmUp; turn < count; turn++) {
    for (let i = 0; i < entrants; i++) await take((i + turn + warmUp) % entrants, turn >= 0)
  }
}

/** What others have no equal of, or nothing that could be measured here; and a network that loses. */
async function measureRest(
  place: Place,
  plan: Plan,
  contenders: readonly Contender[],
  deaths: readonly Deaths[],
): Promise<Pick<Results, 'deaths' | 'sizes' | 'fullness' | 'losses'>> {
  const { took } = await hostDeaths(place, Math.ceil(plan.deaths / 4))
  const sizes: Size[] = []
  for (const [index, size] of plan.sizes.entries()) {
    sizes.push(await measureSize(place, size, index))
  }
  return {
    deaths: [...deaths, { name: 'lamportd, its whole host', took }],
    sizes,
    fullness: await measureFullness(place),
    losses: lossProblem() === undefined ? await measureLosses(place, contenders) : [],
  }
}

function print(results: Results): void {
  const { latency, contended, independent, registers, deaths, sizes, fullness, losses } = results
  const parts = [
    `A lock that nobody else wants, in ms\n${formatLatency(latency)}`,
    `One lock that three clients want\n${formatContended(contended)}`,
    `${WORKERS} workers, a lock each\n${formatIndependent(independent)}`,
    `A shared value of 100 bytes, in ms\n${formatRegisters(registers)}`,
    `From the death of a holder to the next grant, in ms\n${formatDeaths(deaths)}`,
    `Hosts, and what a lock costs: ms, datagrams and messages\n${formatSizes(sizes)}`,
    `Memory with ${LOCKS} locks held: ${formatFullness(fullness)}`,
    losses.length > 0
      ? `Where packets are lost, in ms\n${formatLosses(losses)}`
      : `not measured where packets are lost: ${lossProblem()}`,
  ]
  console.log(`\n${parts.join('\n\n')}`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      json: { type: 'string' },
      svg: { type: 'string' },
      only: { type: 'string', multiple: true },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const others = OTHERS.filter(({ name }) => values.only?.includes(name) ?? true)
  const missing = others.map(each => each.problem()).filter(problem => problem !== undefined)
  const contenders: Contender[] = [lamportd, ...others.filter(each => each.problem() === undefined)]
  const place = new Place()
  process.on('exit', () => place.end())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
  const machine = {
    ...describeMachine(),
    disk: place.disk,
    priority: place.isPreferred ? 'real-time (chrt --rr)' : 'normal',
  }
  console.log(formatMachine(machine))
  for (const each of contenders) console.log(`measured: ${each.version()}`)
  for (const problem of missing) console.log(`left out: ${problem}`)
  const plan = values.quick ? QUICK : FULL
  const running = []
  for (const each of contenders) running.push({ each, ...(await each.start(place)) })
  const peers = running.flatMap(({ peers }) => peers)
  const floor = await LocksFloor.open(place)
  const measured = await new Benchmark(peers, floor, plan).run()
  const deaths: Deaths[] = []
  for (const { each, peers: own } of running) {
    for (const peer of own.filter(({ where }) => where !== undefined)) {
      deaths.push(await clientDeaths(place, each.name, peer, plan.deaths, plan.patienceMs))
    }
  }
  floor.close()
  for (const each of running) await each.close()
  // Servers that only wait take their share as well.
  place.clear()
  const results = { ...measured, ...(await measureRest(place, plan, contenders, deaths)) }
  print(results)
  const goals = locksGoals(results)
  console.log(`\nGoals\n${formatGoals(goals)}`)
  console.log(`\nload average at the end: ${(loadavg()[0] ?? NaN).toFixed(2)}`)
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine, results, goals }, undefined, 2)}\n`)
  }
  if (values.svg !== undefined) writeFileSync(values.svg, chartOf(results))
  return goals.every(isMet) ? 0 : 1
}

try {
  process.exit(await main())
} catch (error) {
  // parseArgs throws a TypeError that quotes the wrong option.
  if (error instanceof TypeError && 'code' in error) {
    console.error(`bench: ${error.message}\n${USAGE}`)
    process.exit(EX_USAGE)
  }
  // Not thrown again: live-mutex takes what nobody catches for its own, and the process would go on.
  console.error(error)
  process.exit(1)
}
