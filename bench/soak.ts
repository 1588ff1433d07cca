// Three hosts at full load for as long as is asked for, and whether anything grows: `npm run soak`.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connect, LamportError, type Client } from '../src/client/client.ts'
import { growthOf, type Sample } from './growth.ts'

const EX_USAGE = 64

const USAGE = `npm run soak -- [--minutes N | --locks N] [--every SECONDS]

  --minutes N        how long [10]
  --locks N          locks alone, as quickly as they go, until there were so many
  --every SECONDS    how often memory and descriptors are looked at [10]`

const NAMES = 100
const VALUE_BYTES = [10, 100, 1000]
const CHURN_MS = 50
/** Of each host, where it is locks alone. */
const WORKERS = 21

/** The daemons, and what they are asked meanwhile. */
class Soak {
  readonly counts: Record<string, number> = {}
  readonly #folder = mkdtempSync(join(tmpdir(), 'lamportd-soak-'))
  readonly #daemons: ChildProcess[] = []
  readonly #onlyLocks: boolean
  #isOver = false

  constructor(onlyLocks: boolean) {
    this.#onlyLocks = onlyLocks
  }

  start(): void {
    const own = `127.${1 + (process.pid % 250)}.7`
    const lines = [1, 2, 3].map(id => `  - { id: ${id}, name: h${id}, address: ${own}.${id} }`)
    const file = join(this.#folder, 'hosts.yml')
    const key = join(this.#folder, 'cluster.key')
    writeFileSync(file, ['cluster: soak', 'key: cluster.key', 'hosts:', ...lines, ''].join('\n'))
    writeFileSync(key, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
    const lamportd = fileURLToPath(new URL('../lamportd.js', import.meta.url))
    for (const id of [1, 2, 3]) {
      const where = ['--state', join(this.#folder, `state-${id}`), '--socket', this.#socket(id)]
      const args = [lamportd, '--hosts', file, '--id', String(id), ...where]
      this.#daemons.push(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }))
    }
  }

  /** Every loop of every host, until `stop`. Rejects where one fails for another reason than load. */
  async load(): Promise<void> {
    await Promise.all([1, 2, 3].flatMap(id => this.#loops(id)))
  }

  async sample(id: number): Promise<Sample> {
    const pid = this.#daemons[id - 1]?.pid ?? 0
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) * 1024
    const client = await connect({ socket: this.#socket(id) })
    const { text } = await client.metrics()
    await client.close()
    const heap = Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)?.[1] ?? NaN)
    return { rss, heap, handles: readdirSync(`/proc/${pid}/fd`).length }
  }

  async stop(): Promise<void> {
    this.#isOver = true
    const ended = this.#daemons.map(daemon => once(daemon, 'exit'))
    for (const daemon of this.#daemons) daemon.kill('SIGTERM')
    await Promise.race([Promise.all(ended), delay(5000)])
    for (const daemon of this.#daemons) daemon.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #socket(id: number): string {
    return join(this.#folder, `${id}.sock`)
  }

  #loops(id: number): Promise<void>[] {
    if (this.#onlyLocks) return [this.#hurry(id)]
    const contended = [0, 1, 2, 3].map(n => this.#repeat(id, 'locks', lock(`door-${n}`)))
    const alone = [0, 1].map(n => this.#repeat(id, 'locks', lock(`own-${id}-${n}`)))
    const sets = [0, 1, 2].map(() => this.#repeat(id, 'sets', set))
    return [...contended, ...alone, ...sets, this.#watch(id), this.#churn(id)]
  }

  async #repeat(id: number, what: string, work: (client: Client) => Promise<void>): Promise<void> {
    const client = await this.#connected(id)
    while (!this.#isOver) {
      try {
        await work(client)
        this.#count(what)
      } catch (error) {
        this.#refused(error)
      }
    }
    await client.close()
  }

  /** Many locks by one connection: what comes together leaves together. */
  async #hurry(id: number): Promise<void> {
    const client = await this.#connected(id)
    const work = async (worker: number): Promise<void> => {
      const once = lock(`own-${id}-${worker}`)
      while (!this.#isOver) {
        try {
          await once(client)
          this.#count('locks')
        } catch (error) {
          this.#refused(error)
        }
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)))
    await client.close()
  }

  async #watch(id: number): Promise<void> {
    const client = await this.#connected(id)
    const watch = client.watch('')
    for await (const change of watch) {
      if (change.version > 0) this.#count('changes told')
      if (this.#isOver) break
    }
    await client.close()
  }

  /** Clients that come, do something, and go. */
  async #churn(id: number): Promise<void> {
    while (!this.#isOver) {
      const client = await this.#connected(id)
      try {
        await client.status()
        await client.get('v0', { local: true })
        this.#count('connections')
      } catch (error) {
        this.#refused(error)
      }
      await client.close()
      await delay(CHURN_MS)
    }
  }

  /** A machine that is busy costs a lease now and then: that is counted, and goes on. */
  #refused(error: unknown): void {
    if (!(error instanceof LamportError)) throw error
    if (!this.#isOver) this.#count(`refused: ${error.code}`)
  }

  async #connected(id: number): Promise<Client> {
    for (;;) {
      try {
        return await connect({ socket: this.#socket(id) })
      } catch (error) {
        if (!(error instanceof LamportError) || error.code !== 'unreachable') throw error
        await delay(CHURN_MS)
      }
    }
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }
}

function lock(name: string): (client: Client) => Promise<void> {
  return async client => {
    const held = await client.lock(name, { waitMs: 60_000 })
    await held.release()
  }
}

async function set(client: Client): Promise<void> {
  const name = `v${Math.floor(Math.random() * NAMES)}`
  const bytes = VALUE_BYTES[Math.floor(Math.random() * VALUE_BYTES.length)] ?? 0
  if (Math.random() < 0.05) await client.unset(name)
  else await client.set(name, 'x'.repeat(bytes))
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      locks: { type: 'string' },
      every: { type: 'string', default: '10' },
      help: { type: 'boolean' },
    },
  })
  const [minutes, every] = [Number(values.minutes), Number(values.every)]
  const locks = values.locks === undefined ? undefined : Number(values.locks)
  const isRight = minutes > 0 && every > 0 && (locks === undefined || locks > 0)
  if (values.help === true || !isRight) {
    process.stdout.write(`${USAGE}\n`)
    return values.help === true ? 0 : EX_USAGE
  }
  const soak = new Soak(locks !== undefined)
  const samples = new Map<number, Sample[]>([1, 2, 3].map(id => [id, []]))
  const start = performance.now()
  try {
    soak.start()
    const load = soak.load()
    load.catch(() => undefined)
    const isOver = (): boolean =>
      locks === undefined
        ? performance.now() - start >= minutes * 60_000
        : (soak.counts['locks'] ?? 0) >= locks
    while (!isOver()) {
      await Promise.race([load, delay(every * 1000)])
      for (const [id, all] of samples) all.push(await soak.sample(id))
      const minute = ((performance.now() - start) / 60_000).toFixed(1)
      const rss = [...samples.values()].map(all => mebibytes(all.at(-1)?.rss ?? NaN))
      process.stdout.write(`${minute} min: RSS ${rss.join(', ')} MiB, ${count(soak.counts)}\n`)
    }
  } finally {
    await soak.stop()
  }
  return report(samples, soak.counts, (performance.now() - start) / 60_000)
}

/** A table, and 1 where the last quarter needs more than the second one did. */
function report(
  samples: ReadonlyMap<number, readonly Sample[]>,
  counts: Readonly<Record<string, number>>,
  minutes: number,
): number {
  let hasGrown = false
  const lines = ['| host | | second quarter | last quarter | |', '|---|---|---:|---:|---|']
  for (const [id, all] of samples) {
    for (const { key, second, last, grows } of growthOf(all)) {
      hasGrown ||= grows
      const shown = (value: number): string =>
        key === 'handles' ? String(value) : `${mebibytes(value)} MiB`
      lines.push(`| ${id} | ${key} | ${shown(second)} | ${shown(last)} | ${grows ? 'grows' : ''} |`)
    }
  }
  process.stdout.write(`\n${minutes.toFixed(1)} minutes: ${count(counts)}\n\n${lines.join('\n')}\n`)
  return hasGrown ? 1 : 0
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1)
}

function count(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, number]) => `${number} ${what}`)
    .join(', ')
}

process.exit(await main())
