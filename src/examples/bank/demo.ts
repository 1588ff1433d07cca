// `npm run bank`: three hosts on this machine, and a bank on them, at work before your eyes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connect, type Client } from '../../client/client.ts'
import { DemoError, Site, type DemoHost } from '../site.ts'
import { audit } from './audit.ts'
import { Bank, BankError } from './bank.ts'
import { sumOf, type Block, type Entry } from './block.ts'
import { formatCents } from './money.ts'

const EX_USAGE = 64

/** Transfers that are timed, one after the other; and how long one may take on an idle machine. */
const TIMED = 50
const TRANSFER_MS_MAX = 50

/** How often three pay at the same time. */
const ROUNDS = 20

/** How often something is tried of which a held-up machine has made nothing. */
const TRIES_MAX = 5

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const program = join(root, 'dist/lamport-bank.js')

const USAGE = `usage: npm run bank [-- --once]
  --once  end by itself; else the hosts run on for you to try, until Ctrl-C
  LAMPORT_HOSTS=FILE chooses another hosts file (all hosts on loopback)`

type Ended = { readonly code: number | null; readonly text: string; readonly complaint: string }

/** What is shown, in order. */
class Scenes {
  readonly #site: Site
  readonly #clients: Client[] = []

  constructor(site: Site) {
    this.#site = site
  }

  async play(isOnce: boolean): Promise<void> {
    say('1. Three hosts start, and a bank begins. No server: the chain is in shared variables.\n')
    await this.#site.start((host, how) => tell(host, `its lamportd has ended (${how})`))
    for (const host of this.#site.hosts) {
      this.#clients.push(await connect({ socket: this.#site.socket(host) }))
    }
    const [one, two, three] = this.#site.hosts as [DemoHost, DemoHost, DemoHost]
    await this.#shows(one, 'open 1 2 3 --with 10')
    await this.#shows(one, 'transfer 1 2 4')
    for (const host of this.#site.hosts) await this.#shows(host, 'chain')
    await this.#shows(three, 'table')
    say('\n2. What cannot be is refused, and nothing changes.\n')
    await this.#shows(two, 'transfer 2 1 100')
    await this.#shows(two, 'transfer 2 1 -4')
    await this.#payAtOnce()
    await this.#kill(one, two)
    await this.#time()
    if (!isOnce) this.#handOver(one, two)
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map(client => client.close()))
  }

  async #payAtOnce(): Promise<void> {
    say(
      `\n3. ${ROUNDS} times each host pays at the same time as the others: 1 → 2 $4, 2 → 3 $5, 3 → 1 $1.\n`,
    )
    const payments = [
      ['1', '2', 400],
      ['2', '3', 500],
      ['3', '1', 100],
    ] as const
    let [done, refused] = [0, 0]
    const pay = async (client: Client, entry: Entry): Promise<void> => {
      try {
        await insist(new Bank(client), entry)
        done += 1
      } catch (error) {
        if (!(error instanceof BankError) || error.code !== 'refused') throw error
        refused += 1
      }
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      await Promise.all(
        payments.map(([from, to, cents], at) => {
          const client = this.#clients[at]
          if (client === undefined) throw new DemoError('there are three hosts')
          return pay(client, { type: 'transfer', from, to, cents })
        }),
      )
    }
    say(`   ${done} were done, ${refused} refused for want of money.`)
    await this.#agree()
  }

  async #kill(one: DemoHost, two: DemoHost): Promise<void> {
    say('\n4. A client is killed while it pays: it has the lock, and has read, and not written.\n')
    const before = await this.#agree()
    const socket = this.#site.socket(one)
    const args = ['--socket', socket, 'transfer', '3', '1', '1', '--delay', '1m']
    const client = spawn(process.execPath, [program, ...args], { stdio: 'ignore' })
    const ended = once(client, 'exit')
    while (!(await this.#isHeld(one)) && client.exitCode === null) await turn()
    tell(one, 'pays 3 → 1 $1, and takes a minute for it')
    client.kill('SIGKILL')
    await ended
    tell(one, 'its client is killed (SIGKILL)')
    await this.#shows(two, 'transfer 3 1 0.50')
    const after = await this.#agree()
    if (after.number !== before.number + 1) throw new DemoError('one block was to be added')
  }

  /** Every host says the same, and all money is there. */
  async #agree(): Promise<Block> {
    const heads: Block[] = []
    for (const client of this.#clients) {
      const chain = await new Bank(client).chain()
      const fault = audit(chain)
      if (fault !== undefined) throw new DemoError(`block ${fault.number} is bad: ${fault.problem}`)
      const newest = chain.at(-1)?.block
      if (newest === undefined || 'problem' in newest) throw new DemoError('there is no chain')
      heads.push(newest)
    }
    const [head] = heads
    if (head === undefined || heads.some(({ hash }) => hash !== head.hash)) {
      throw new DemoError(`the hosts differ: ${heads.map(({ hash }) => hash).join(' ')}`)
    }
    const sum = formatCents(sumOf(head.balances))
    say(
      `   All hosts have the same ${head.number + 1} blocks: ${head.hash.slice(0, 16)}…; ${sum} in all.`,
    )
    return head
  }

  async #time(): Promise<void> {
    say('\n5. How long it takes, where nobody else wants to.\n')
    const [client] = this.#clients
    if (client === undefined) throw new DemoError('there are three hosts')
    const bank = new Bank(client)
    const times: number[] = []
    for (let round = 0; round < TIMED; round += 1) {
      const begin = performance.now()
      const [from, to] = round % 2 === 0 ? (['3', '1'] as const) : (['1', '3'] as const)
      await insist(bank, { type: 'transfer', from, to, cents: 1 })
      times.push(performance.now() - begin)
    }
    times.sort((a, b) => a - b)
    const [median, worst] = [times[TIMED / 2] ?? NaN, times.at(-1) ?? NaN]
    const bound = `${median <= TRANSFER_MS_MAX ? 'within' : 'over'} the ${TRANSFER_MS_MAX} ms of an idle machine`
    say(
      `   A transfer: median ${median.toFixed(1)} ms, the slowest of ${TIMED} ${worst.toFixed(1)} ms; ${bound}.`,
    )
    await this.#agree()
  }

  #handOver(one: DemoHost, two: DemoHost): void {
    const here = `node ${relative('', program)}`
    say('\n6. Your turn: the hosts run on. In another terminal, in this folder:\n')
    for (const [host, rest] of [
      [one, 'transfer 2 1 0.50 --delay 10s'],
      [two, 'transfer 3 1 0.50'],
      [two, 'chain'],
      [one, 'verify'],
    ] as const) {
      say(`   ${here} --socket ${this.#site.socket(host)} ${rest}`)
    }
    say('\n   Ctrl-C here stops the hosts and removes what they wrote.')
  }

  async #isHeld(host: DemoHost): Promise<boolean> {
    const [lock] = JSON.parse(await this.#site.ask(host, '--json', 'locks', 'bank')) as {
      holders: readonly { command?: string }[]
    }[]
    return lock?.holders.some(({ command }) => command === 'lamport-bank') === true
  }

  /** `lamport-bank` on a host, with what it says. */
  async #shows(host: DemoHost, line: string): Promise<void> {
    const { code, text, complaint } = await run(this.#site.socket(host), line.split(' '))
    say(`   ${host.name}$ lamport-bank ${line}`)
    for (const each of (text + complaint).trimEnd().split('\n')) say(`   ${each}`)
    const isRefused = complaint.includes('insufficient') || complaint.includes('less than nothing')
    if (code !== 0 && !isRefused) throw new DemoError(`it exits ${String(code)}`)
  }
}

/** On a machine that is held up for seconds a lock is lost; nothing was done then. */
async function insist(bank: Bank, entry: Entry): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await bank.append(entry)
      return
    } catch (error) {
      if (!(error instanceof BankError) || error.code !== 'lost' || tries === TRIES_MAX) throw error
    }
  }
}

async function run(socket: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [program, '--socket', socket, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [text, complaint] = ['', '']
  child.stdout.on('data', part => (text += String(part)))
  child.stderr.on('data', part => (complaint += String(part)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text, complaint }
}

function tell(host: DemoHost, what: string): void {
  say(`   ${host.name.padEnd(8)} ${what}`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function turn(): Promise<void> {
  return new Promise(done => setImmediate(done))
}

async function main(isOnce: boolean): Promise<void> {
  const given = process.env.LAMPORT_HOSTS
  const site = new Site(
    given === undefined || given === '' ? join(root, 'hosts.yml') : resolve(given),
  )
  const scenes = new Scenes(site)
  const stopped = new Promise<string>(done => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, done)
    process.stdout.on('error', () => done('EPIPE'))
  })
  try {
    const played = scenes.play(isOnce).then(() => undefined)
    // Where a signal is first, what becomes of the scene is nobody's news.
    played.catch(() => undefined)
    const end = await Promise.race([stopped, played])
    if (end !== undefined) throw new DemoError(`stopped by ${end} before the end`)
    if (!isOnce) await stopped
  } finally {
    await scenes.close()
    await site.stop()
  }
  say(`\nEvery process has ended, and ${site.folder} is removed.`)
}

function readArguments(): boolean | undefined {
  try {
    return parseArgs({ options: { once: { type: 'boolean' } } }).values.once ?? false
  } catch (error) {
    process.stderr.write(`bank: ${error instanceof Error ? error.message : ''}\n${USAGE}\n`)
    return undefined
  }
}

const isOnce = readArguments()
if (isOnce === undefined) process.exitCode = EX_USAGE
else {
  try {
    await main(isOnce)
  } catch (error) {
    if (!(error instanceof DemoError || error instanceof BankError)) throw error
    process.stderr.write(`\nbank: ${error.message}\n`)
    process.exitCode = 1
  }
}
