import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Random } from '../../src/lib/random.ts'
import { after, milliseconds } from '../../src/lib/time.ts'
import { formatHistory, parseHistory } from '../../src/sim/history.ts'
import type { Entry, Operation } from '../../src/sim/history.ts'
import { decide } from '../../src/sim/linearizability.ts'
import { Cluster } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import { Recorder } from '../helpers/recorder.ts'
import { Relay } from '../helpers/relay.ts'
import type { Faults } from '../helpers/relay.ts'
import { ReturningClient } from '../helpers/returning-client.ts'

/** How long clients work, and everything goes wrong. */
const TROUBLE_MS = Number(process.env.LAMPORT_TEST_TROUBLE_SECONDS ?? 15) * 1000
const SEED = Number(process.env.LAMPORT_TEST_SEED ?? 1)

const TIGHT = '{ heartbeat: 50ms, suspect: 600ms, lease: 600ms }'
const BAD: Partial<Faults> = { loss: 0.2, duplicate: 0.1, reorder: 0.1, holdMs: 8 }

const NAMES = ['x', 'y', 'z']
const CLIENTS_PER_HOST = 2

/** Between two operations of a client. */
const PAUSE_MS_MAX = 10

/** Configurations and comparisons of the search. */
const WORK_MAX = 20_000_000

/** Real daemons, whose datagrams all pass here, and clients that write down what they are told. */
class Trouble {
  readonly t: ExecutionContext
  readonly cluster: Cluster
  readonly relay: Relay
  readonly recorder: Recorder
  readonly random: Random = new Random(SEED)
  readonly faults: Record<string, number> = {}
  #isOver = false
  #values = 0

  constructor(t: ExecutionContext, faults: Partial<Faults>) {
    this.t = t
    this.cluster = new Cluster(t, { ids: [1, 2, 3], timing: TIGHT, isRelayed: true })
    this.relay = new Relay(t, this.cluster.hosts, { seed: SEED, faults })
    this.recorder = new Recorder(this.cluster)
  }

  /** Clients work on all hosts while one after the other of these goes wrong. */
  async run(...faults: readonly (readonly [string, () => Promise<void>])[]): Promise<void> {
    const { hosts } = this.cluster
    await Promise.all(hosts.map(host => host.start()))
    await this.cluster.ready()
    const begin = performance.now()
    const clients = hosts.flatMap(host =>
      Array.from({ length: CLIENTS_PER_HOST }, (_, index) =>
        this.#work(host, `${host.id}/${index}`),
      ),
    )
    const working = Promise.all(clients)
    try {
      while (performance.now() - begin < TROUBLE_MS) {
        await pause(this.random.between(0, 500))
        const [what, happens] = this.random.pick(faults)
        await Promise.race([happens(), working])
        this.faults[what] = (this.faults[what] ?? 0) + 1
      }
      this.relay.heal()
      await pause(500)
    } finally {
      this.#isOver = true
      // Where something has failed, that is what counts.
      working.catch(() => undefined)
    }
    await working
    await this.#agree()
  }

  one(): Host {
    return this.random.pick(this.cluster.hosts)
  }

  async #work(host: Host, title: string): Promise<void> {
    const client = new ReturningClient(host)
    const versions = new Map<string, number>()
    while (!this.#isOver) {
      const name = this.random.pick(NAMES)
      const operation = this.#operation(versions.get(name) ?? 0)
      const outcome = await this.recorder.ask(title, client, name, operation)
      if (outcome === undefined) await pause(20)
      else if ('version' in outcome) versions.set(name, outcome.version)
      await pause(this.random.between(0, PAUSE_MS_MAX))
    }
  }

  #operation(version: number): Operation {
    const kind = this.random.between(0, 9)
    if (kind < 4) return { type: 'get' }
    const value = String((this.#values += 1))
    if (kind < 6) return { type: 'change', value, condition: { type: 'version', version } }
    if (kind < 7) return { type: 'change', value, condition: { type: 'absent' } }
    if (kind < 8) return { type: 'change', value: undefined, condition: { type: 'always' } }
    return { type: 'change', value, condition: { type: 'always' } }
  }

  /** In the end all hosts know the same, which is read once more for the record. */
  async #agree(): Promise<void> {
    const clients = this.cluster.hosts.map(host => new ReturningClient(host))
    for (const name of NAMES) {
      for (const client of clients) {
        await eventually(`a last read by ${client.host.name}`, async () => {
          const outcome = await this.recorder.ask('last', client, name, { type: 'get' })
          return outcome?.type === 'value'
        })
      }
      await eventually(`all know the newest ${name}`, async () => {
        const known = await Promise.all(
          clients.map(client => client.insist('a look', each => each.get(name, { local: true }))),
        )
        return new Set(known.map(({ version }) => version)).size === 1
      })
    }
  }

  /** As JSON lines, read again and checked. */
  verify(): readonly Entry[] {
    const folder = mkdtempSync(join(tmpdir(), 'lamport-history-'))
    const path = join(folder, 'history.jsonl')
    writeFileSync(path, formatHistory(this.recorder.entries))
    const entries = parseHistory(readFileSync(path, 'utf8'))
    if ('reason' in entries) throw new Error(`line ${entries.line}: ${entries.reason}`)
    const { t } = this
    const outcomes = new Map<string, number>()
    for (const { outcome } of entries) {
      outcomes.set(outcome.type, (outcomes.get(outcome.type) ?? 0) + 1)
    }
    t.log(`seed ${SEED}, ${JSON.stringify(this.faults)}; ${entries.length} operations`)
    t.log(JSON.stringify(Object.fromEntries(outcomes)))
    t.log(JSON.stringify(this.relay.counts))
    const decisions = NAMES.map(name => decide(of(entries, name), WORK_MAX))
    t.deepEqual(
      decisions,
      NAMES.map(() => 'linearizable'),
      `the history is in ${path}`,
    )
    rmSync(folder, { recursive: true })
    t.true((outcomes.get('changed') ?? 0) > 100, 'much has changed')
    t.true((outcomes.get('value') ?? 0) > 100, 'much was read')
    return entries
  }
}

function of(entries: readonly Entry[], name: string): readonly Entry[] {
  return entries.filter(entry => entry.name === name)
}

/** The same, with a read that is told what another had been told before a change was acknowledged. */
function withStaleRead(entries: readonly Entry[]): readonly Entry[] {
  const reads = entries.filter(({ outcome }) => outcome.type === 'value')
  for (const change of entries) {
    const { outcome, returned } = change
    if (outcome.type !== 'changed' || returned === undefined) continue
    const old = reads.find(read => {
      const told = read.outcome
      return read.name === change.name && told.type === 'value' && told.version < outcome.version
    })
    if (old === undefined) continue
    const invoked = after(returned, milliseconds(0.001))
    return [...entries, { ...old, client: 'stale', invoked, returned: invoked }]
  }
  throw new Error('nothing was read before a change')
}

test.serial('under kill -9, cuts and restarts each variable is one register', async t => {
  t.timeout(300_000)
  const trouble = new Trouble(t, {})
  const { cluster, relay, random } = trouble
  await trouble.run(
    ['killed', () => restart(trouble.one(), 'SIGKILL')],
    ['left', () => restart(trouble.one(), 'SIGTERM')],
    [
      'all killed',
      async () => {
        await Promise.all(cluster.hosts.map(host => restart(host, 'SIGKILL')))
      },
    ],
    [
      'cut off',
      async () => {
        relay.isolate(trouble.one().id)
        await pause(random.between(100, 1500))
        relay.heal()
      },
    ],
    [
      'one way',
      async () => {
        const { id } = trouble.one()
        relay.cut(id, 1 + (id % 3))
        if (random.chance(0.5)) relay.cut(id, 1 + ((id + 1) % 3))
        await pause(random.between(100, 1500))
        relay.heal()
      },
    ],
    [
      'disk lost',
      async () => {
        const host = trouble.one()
        await host.kill()
        rmSync(host.state, { recursive: true })
        await host.start()
        await eventually(`${host.name} recovers`, async () => (await host.status()).blank === null)
      },
    ],
  )
  const entries = trouble.verify()
  const stale = withStaleRead(entries)
  const name = stale.at(-1)?.name ?? ''
  t.is(decide(of(stale, name), WORK_MAX), 'not linearizable', 'a stale read is found')
})

test.serial('with 20 % loss, doubles and disorder each variable is one register', async t => {
  t.timeout(300_000)
  const trouble = new Trouble(t, BAD)
  const { relay, random } = trouble
  await trouble.run(
    ['nothing', async () => {}],
    ['killed', () => restart(trouble.one(), 'SIGKILL')],
    [
      'cut off',
      async () => {
        relay.isolate(trouble.one().id)
        await pause(random.between(100, 1000))
        relay.heal()
      },
    ],
    [
      'stopped',
      async () => {
        const { daemon } = trouble.one()
        daemon.kill('SIGSTOP')
        await pause(random.between(100, 1500))
        daemon.kill('SIGCONT')
      },
    ],
  )
  trouble.verify()
  const { lost, duplicated, held } = relay.counts
  t.true(lost > 100 && duplicated > 100 && held > 100)
})

async function restart(host: Host, signal: NodeJS.Signals): Promise<void> {
  await host.kill(signal)
  await host.start()
}
