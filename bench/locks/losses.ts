// W7: a lock that nobody else wants on a network that loses packets (root); also the program that
// runs on the first host of it, with the client.
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Lan } from '../../test/helpers/netns.ts'
import { quantile } from '../measures.ts'
import { ms, table } from '../report.ts'
import { Place } from '../variables/place.ts'
import { CONTENDERS } from './contenders.ts'
import { alone, MOVING } from './works.ts'

import type { ChildProcess } from 'node:child_process'
import type { Contender, LockClient } from './peer.ts'

/** Of every hundred packets, in the middle of the network. */
const LOSSES = [0, 5, 20]
const HOSTS = [1, 2, 3]

/** All take turns; a turn ends after so many locks, or after so long. */
const TURNS = 3
const CYCLES = 300
const TURN_MS = 4000
const WARM_UP = { cycles: 500, ms: 10_000, isMoving: false }
/** What does not come to the end of its turn by then, does not go on. */
const PATIENCE_MS = 30_000

const CHILD = 'client-of-losses'

/** Milliseconds. */
export type Loss = {
  readonly name: string
  readonly lossPercent: number
  readonly acquire: readonly number[]
  readonly cycle: readonly number[]
  /** What ended with an error, the last one; and whether it came to an end at all. */
  readonly failures: number
  readonly failure: string | undefined
}

/** Where the first host's program finds the others. */
type Plan = {
  readonly contender: string
  readonly addresses: readonly string[]
  readonly via: readonly (readonly string[])[]
}

type Turn = { readonly cycles: number; readonly ms: number; readonly isMoving: boolean }
type Took = Pick<Loss, 'acquire' | 'cycle' | 'failures' | 'failure'>

/** Why it cannot be measured here. */
export function lossProblem(): string | undefined {
  return Lan.problem(['ip', 'nft'])
}

/**
 * Three hosts in namespaces of their own, on a bridge in one more; each contender has a server on
 * each, and a client in a process on the first.
 */
export async function measureLosses(
  place: Place,
  contenders: readonly Contender[],
): Promise<readonly Loss[]> {
  const ends: (() => unknown)[] = []
  const address = (id: number): string => `10.79.8.${id}`
  const lan = new Lan(
    { teardown: end => ends.push(end) },
    new Map(HOSTS.map(id => [id, address(id)])),
  )
  const running: Remote[] = []
  try {
    for (const { name } of contenders.filter(({ isLocal }) => isLocal !== true)) {
      const via = HOSTS.map(id => lan.via(id))
      const plan = { contender: name, addresses: HOSTS.map(address), via }
      const remote = await Remote.start(place, plan, lan.via(1))
      running.push(remote)
      await remote.take(WARM_UP)
      if (remote.remembers) await remote.take({ ...WARM_UP, isMoving: true })
    }
    const entrants = running.flatMap((remote): Entrant[] =>
      [false, ...(remote.remembers ? [true] : [])].map(isMoving => ({ remote, isMoving })),
    )
    const losses: Loss[] = []
    for (const lossPercent of LOSSES) {
      if (lossPercent > 0) lan.lose(lossPercent)
      for (const [{ remote, isMoving }, took] of await inTurns(entrants)) {
        losses.push({ name: `${remote.name}${isMoving ? MOVING : ''}`, lossPercent, ...took })
      }
    }
    return losses
  } finally {
    lan.heal()
    for (const remote of running) await remote.end()
    for (const end of ends) end()
  }
}

/** By one client, or by those of all hosts in turn. */
type Entrant = { readonly remote: Remote; readonly isMoving: boolean }

/** One after the other, and each is first at times. */
async function inTurns(entrants: readonly Entrant[]): Promise<ReadonlyMap<Entrant, Took>> {
  const all = new Map<Entrant, Took>()
  for (let turn = 0; turn < TURNS; turn++) {
    for (let i = 0; i < entrants.length; i++) {
      const entrant = entrants[(i + turn) % entrants.length]
      if (entrant === undefined) continue
      const { remote, isMoving } = entrant
      const took = await remote.take({ cycles: CYCLES, ms: TURN_MS, isMoving })
      const before = all.get(entrant) ?? NOTHING
      all.set(entrant, {
        acquire: [...before.acquire, ...took.acquire],
        cycle: [...before.cycle, ...took.cycle],
        failures: before.failures + took.failures,
        failure: took.failure ?? before.failure,
      })
    }
  }
  return new Map(entrants.map(entrant => [entrant, all.get(entrant) ?? NOTHING]))
}

const NOTHING: Took = { acquire: [], cycle: [], failures: 0, failure: undefined }

/** A contender whose client runs on the first host. */
class Remote {
  readonly name: string
  /** See `Peer`. */
  readonly remembers: boolean
  readonly #child: ChildProcess
  #isStuck = false

  static async start(place: Place, plan: Plan, via: readonly string[]): Promise<Remote> {
    const program = [process.execPath, fileURLToPath(import.meta.url), CHILD, JSON.stringify(plan)]
    const [command = '', ...args] = [...via, ...program]
    const child = place.spawn(command, args, ['ignore', 'inherit', 'inherit', 'ipc'])
    const [remembers] = (await once(child, 'message')) as [boolean]
    return new Remote(plan.contender, child, remembers)
  }

  private constructor(name: string, child: ChildProcess, remembers: boolean) {
    this.name = name
    this.remembers = remembers
    this.#child = child
  }

  async take(turn: Turn): Promise<Took> {
    if (this.#isStuck) return { ...NOTHING, failures: 1, failure: 'does not go on' }
    this.#child.send(turn)
    const patience = new AbortController()
    const took = await Promise.race([
      once(this.#child, 'message', { signal: patience.signal }).then(([answer]) => answer as Took),
      delay(PATIENCE_MS, undefined, { signal: patience.signal }).then(() => undefined),
    ])
    patience.abort()
    if (took !== undefined) return took
    this.#isStuck = true
    return { ...NOTHING, failures: 1, failure: 'does not go on' }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}

export function formatLosses(losses: readonly Loss[]): string {
  const head = ['loss', '', 'locks', 'acquire p50', 'p99', 'longest', 'with release p50', 'p99', '']
  const cells = losses.map(({ name, lossPercent, acquire, cycle, failures, failure }) => [
    `${lossPercent} %`,
    name,
    String(acquire.length),
    ...[quantile(acquire, 0.5), quantile(acquire, 0.99), Math.max(...acquire)].map(ms),
    ...[0.5, 0.99].map(share => ms(quantile(cycle, share))),
    failures === 0 ? '' : `${failures} failed: ${failure ?? ''}`,
  ])
  return table([head, ...cells])
}

/** So many locks, for so long; what fails is counted, and the next one tried. */
async function takeTurn(
  clients: readonly LockClient[],
  { cycles, ms: limit }: Turn,
): Promise<Took> {
  const [acquire, cycle]: [number[], number[]] = [[], []]
  let failures = 0
  let failure: string | undefined
  const end = performance.now() + limit
  for (let i = 0; i < cycles && performance.now() < end; i++) {
    try {
      const [one, whole] = await alone(clients.slice(i % clients.length).slice(0, 1), 1)
      acquire.push(...one)
      cycle.push(...whole)
    } catch (error) {
      failures += 1
      failure = error instanceof Error ? error.message.split('\n')[0]?.slice(0, 60) : String(error)
    }
  }
  return { acquire, cycle, failures, failure }
}

async function serve({ contender, addresses, via }: Plan): Promise<void> {
  const found = CONTENDERS.find(({ name }) => name === contender)
  if (found === undefined) throw new Error(`there is no ${contender}`)
  const place = new Place()
  process.on('exit', () => place.end())
  process.on('disconnect', () => process.exit())
  const { peers } = await found.start(place, { addresses, via: index => via[index] ?? [] })
  const [peer] = peers
  if (peer === undefined) throw new Error(`${contender} has a client`)
  const { clients, remembers = false } = peer
  process.on('message', (turn: Turn) => {
    const taking = clients.slice(0, turn.isMoving ? clients.length : 1)
    void takeTurn(taking, turn).then(took => process.send?.(took))
  })
  process.send?.(remembers)
}

const [, , argument, plan] = process.argv
if (argument === CHILD && plan !== undefined) await serve(JSON.parse(plan) as Plan)
