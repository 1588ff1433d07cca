import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Bank } from '../../../src/examples/bank/bank.ts'
import type { Block } from '../../../src/examples/bank/block.ts'
import { Random } from '../../../src/lib/random.ts'
import { sameChain } from '../../helpers/bank.ts'
import { Cluster } from '../../helpers/cluster.ts'
import type { Host } from '../../helpers/cluster.ts'
import type { Program } from '../../helpers/processes.ts'

/** How long three clients pay, and are killed. */
const KILLING_MS = Number(process.env.BANK_KILL_SECONDS ?? 5) * 1000
const SEED = Number(process.env.BANK_SEED ?? 1)

const TIGHT = '{ heartbeat: 50ms, suspect: 600ms, lease: 600ms }'
const WRITER = fileURLToPath(new URL('../../helpers/bank-writer.js', import.meta.url))
const CENTS = 10 ** 12

/** How long a writer lives from its first transfer on. */
const LIFE_MS_MAX = 250

/** So often it is a host that is killed; in half of the time it is one at the least. */
const HOST_SHARE = 0.05

/** What writers have said. */
type Told = {
  readonly done: Map<number, string>
  readonly notDone: Set<number>
  tries: number
  uncertain: number
  kills: number
}

class Killing {
  readonly cluster: Cluster
  readonly random: Random = new Random(SEED)
  readonly told: Told = { done: new Map(), notDone: new Set(), tries: 0, uncertain: 0, kills: 0 }
  hostKills = 0
  #isOver = false

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  async run(): Promise<void> {
    const writers = this.cluster.hosts.map((host, at) => this.#writeOn(host, at + 1))
    const begin = performance.now()
    const isPast = (share: number): boolean => performance.now() - begin >= share * KILLING_MS
    while (!isPast(1) || this.hostKills === 0) {
      await pause(this.random.between(100, 400))
      const isDue = this.hostKills === 0 && isPast(0.5)
      if (!this.random.chance(HOST_SHARE) && !isDue) continue
      const host = this.random.pick(this.cluster.hosts)
      await host.kill()
      this.hostKills += 1
      await pause(this.random.between(0, 1000))
      await host.start()
    }
    this.#isOver = true
    await Promise.all(writers)
  }

  async #writeOn(host: Host, writer: number): Promise<void> {
    const step = this.cluster.hosts.length
    let next = writer
    while (!this.#isOver) {
      const seed = String(this.random.below(2 ** 31))
      const program = this.cluster.run([WRITER, host.socket, String(next), String(step), seed])
      await program.said(/^try /m)
      await pause(this.random.between(0, LIFE_MS_MAX))
      program.kill('SIGKILL')
      await program.closed
      this.told.kills += 1
      next = Math.max(next, ...this.#hear(program)) + step
    }
  }

  /** What it has tried. */
  #hear({ stdout }: Program): readonly number[] {
    const tried: number[] = []
    for (const line of stdout.split('\n').slice(0, -1)) {
      const [what = '', amount = '', hash = ''] = line.split(' ')
      const cents = Number(amount)
      if (what === 'try') tried.push(cents)
      else if (what === 'done') this.told.done.set(cents, hash)
      else if (what === 'uncertain') this.told.uncertain += 1
      else this.told.notDone.add(cents)
    }
    this.told.tries += tried.length
    return tried
  }
}

/** What was told to be done is there, once; what was told not to be is not. */
function faultsOf(chain: readonly Block[], { done, notDone }: Told): readonly string[] {
  const faults: string[] = []
  const hashes = new Map<number, string>()
  for (const { number, entry, hash } of chain.slice(1)) {
    if (hashes.has(entry.cents)) faults.push(`${entry.cents} is paid twice, in block ${number}`)
    if (notDone.has(entry.cents)) faults.push(`${entry.cents} is paid, and was told not to be`)
    hashes.set(entry.cents, hash)
  }
  for (const [cents, hash] of done) {
    if (hashes.get(cents) !== hash) faults.push(`${cents} is not paid, and was told to be`)
  }
  return faults
}

function report(t: ExecutionContext, chain: readonly Block[], killing: Killing): void {
  const { tries, done, notDone, uncertain, kills } = killing.told
  t.log(`seed ${SEED}: ${kills} kills of clients, ${killing.hostKills} of hosts`)
  const inDoubt = chain.length - 1 - done.size
  t.log(`${tries} transfers tried; ${done.size} told done, ${notDone.size} told not done`)
  t.log(`${uncertain} told uncertain; ${inDoubt} more were done by clients that died`)
}

test.serial(
  'three clients are killed at any moment: one chain, and nothing is done twice',
  async t => {
    t.timeout(KILLING_MS + 120_000)
    const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing: TIGHT })
    await cluster
      .host(1)
      .ask(client =>
        new Bank(client).append({ type: 'open', accounts: ['1', '2', '3'], cents: CENTS }),
      )
    const killing = new Killing(cluster)
    await killing.run()
    await cluster.ready()
    const chain = await sameChain(t, cluster.hosts)
    report(t, chain, killing)
    t.deepEqual(faultsOf(chain, killing.told), [])
    t.true(killing.told.done.size > 0 && killing.told.kills > 0 && killing.hostKills > 0)

    // The same question finds what would be wrong.
    const last = chain.at(-1)
    if (last === undefined) throw new Error('there is a first block')
    t.is(faultsOf([...chain, last], killing.told).length, 1)
    const [gone] = killing.told.done.keys()
    t.is(
      faultsOf(
        chain.filter(({ entry }) => entry.cents !== gone),
        killing.told,
      ).length,
      1,
    )
  },
)
