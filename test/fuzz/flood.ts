// What a flood of HELLOs does to a session that is there: `npm run flood -- --seconds 5`. A victim, a
// friend who asks it something all the time, and whoever floods it, each a process of its own.
import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'

import { monotonicNow } from '../../src/control/monotonic.ts'
import { createCrypto } from '../../src/daemon/crypto.ts'
import { Driver } from '../../src/daemon/driver.ts'
import { createLog } from '../../src/daemon/log.ts'
import { Network } from '../../src/daemon/network.ts'
import { Random } from '../../src/lib/random.ts'
import { Endpoint } from '../../src/transport/endpoint.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { clusterHash } from '../../src/transport/seal.ts'

import type { Driven } from '../../src/daemon/driver.ts'
import type { Effect } from '../../src/node.ts'
import type { Address, PeerId } from '../../src/transport/endpoint.ts'

const [VICTIM, FRIEND, FLOODER] = [1, 2, 3]
const RATE = 10_000
const ASK_EVERY_MS = 5
/** Different HELLOs of the flooder: more than a victim remembers. */
const HELLOS = 600
const DIGEST = new Uint8Array(8).fill(1)

type Role = 'victim' | 'bad-mac' | 'good-mac'

function addressOf(id: PeerId): Address {
  return { ip: `127.0.73.${id}`, port: 7531 }
}

function createSeal(): NoiseSeal {
  return new NoiseSeal(createCrypto(), 'home', [new Uint8Array(32).fill(7)])
}

/** An endpoint on a socket, driven as in the daemon. */
class Station {
  readonly endpoint: Endpoint
  readonly #driver: Driver
  readonly #network: Network
  #effects: Effect[] = []

  constructor(self: PeerId, deliver: (station: Station, payload: Uint8Array) => void) {
    const ids = [VICTIM, FRIEND, FLOODER].filter(id => id !== self)
    const peers = ids.map(id => ({ id, address: addressOf(id) }))
    const ignored = (): undefined => undefined
    this.endpoint = new Endpoint(
      {
        cluster: 'home',
        self,
        tableDigest: DIGEST,
        describeDifference: () => '',
        incarnation: process.pid,
        peers,
      },
      {
        transmit: (to, bytes) => this.#effects.push({ type: 'datagram', to, bytes }),
        deliver: (_from, _channel, payload) => deliver(this, payload),
        deliverDatagram: ignored,
        sessionUp: ignored,
        sessionLost: ignored,
        notice: ignored,
      },
      new Random(process.pid),
      createSeal(),
    )
    this.#network = new Network(
      createLog(() => undefined, false),
      {
        bound: () => undefined,
        receive: (from, bytes) => this.#driver.drive({ type: 'datagram', from, bytes }),
        failed: refusal => {
          throw refusal
        },
      },
    )
    this.#driver = new Driver(this.#driven(), {
      transmit: (to, bytes) => this.#network.send(to, bytes),
      append: ignored,
      respond: ignored,
      notify: ignored,
    })
    this.#network.bind(addressOf(self))
    this.#driver.drive({ type: 'tick' })
  }

  /** Queues a payload; it leaves when the loop has handled what has come in. */
  send(to: PeerId, payload: Uint8Array): void {
    this.endpoint.send(monotonicNow(), to, 0, payload)
    // Any input: what there is to be sent is sent after it.
    this.#driver.drive({ type: 'synced', lsn: 0 })
  }

  close(): void {
    this.#driver.stop()
    this.#network.close()
  }

  #driven(): Driven {
    const nothing = (): never => {
      throw new Error('nobody asks')
    }
    const { endpoint } = this
    return {
      step: (now, input) => {
        if (input.type === 'tick') endpoint.tick(now)
        if (input.type === 'datagram') endpoint.receive(now, input.from, input.bytes)
        const effects = this.#effects
        this.#effects = []
        return effects
      },
      get deadline() {
        return endpoint.deadline
      },
      status: nothing,
      why: nothing,
      locks: nothing,
      variable: nothing,
      variables: nothing,
      history: nothing,
    }
  }
}

/** Answers whatever it is asked, and says what it has dropped when it is told to go. */
function runVictim(): void {
  const station = new Station(VICTIM, (self, payload) => {
    setImmediate(() => self.send(FRIEND, payload))
  })
  const cpu = process.cpuUsage()
  process.on('message', () => {
    const { user, system } = process.cpuUsage(cpu)
    process.send?.({ ...station.endpoint.counters, cpuMs: (user + system) / 1000 })
    station.close()
    process.disconnect()
  })
}

/** From the address of a member: what comes from anywhere else costs a comparison. */
function runFlooder(isMacGood: boolean): void {
  const seal = createSeal()
  const introduction = {
    incarnation: { counter: 9, life: '0123456789abcdef' },
    datagramMax: 1200,
    windowBytes: 256 * 1024,
    ackDelayMs: 2,
    tableDigest: '0101010101010101',
    tableLine: 0,
  }
  const hellos = Array.from({ length: isMacGood ? HELLOS : 1 }, (_, i) => {
    const header = { index: i + 1, from: FLOODER, to: VICTIM, cluster: clusterHash('home') }
    const { bytes } = seal.call(header, introduction)
    if (!isMacGood) bytes[127] = (bytes[127] as number) ^ 1
    return bytes
  })
  const network = new Network(
    createLog(() => undefined, false),
    { bound: () => undefined, receive: () => undefined, failed: () => undefined },
  )
  network.bind(addressOf(FLOODER))
  const start = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - start) / 1000) * RATE
    // What could not be sent in time is not made up for all at once.
    sent = Math.max(sent, due - RATE / 20)
    while (sent < due)
      network.send(addressOf(VICTIM), hellos[(sent++ % hellos.length) | 0] as Uint8Array)
  }, 1)
  process.on('message', () => {
    clearInterval(timer)
    network.close()
    process.disconnect()
  })
}

/** Round trips in milliseconds while somebody floods the victim, or nobody. */
async function measure(flood: Role | undefined, seconds: number): Promise<number[]> {
  const self = new URL(import.meta.url)
  const victim = fork(self, ['--role', 'victim'])
  const asked: number[] = []
  const times: number[] = []
  const friend = new Station(FRIEND, () => {
    const at = asked.shift()
    if (at !== undefined) times.push(monotonicNow() - at)
  })
  await waitFor(() => friend.endpoint.peer(VICTIM).up)
  const flooder = flood === undefined ? undefined : fork(self, ['--role', flood])
  await pause(1500)
  times.length = 0
  const end = monotonicNow() + 1000 * seconds
  while (monotonicNow() < end) {
    asked.push(monotonicNow())
    friend.send(VICTIM, new Uint8Array(100))
    await pause(ASK_EVERY_MS)
  }
  await waitFor(() => asked.length === 0)
  flooder?.send('end')
  const report = new Promise(resolve => victim.once('message', resolve))
  victim.send('end')
  const told = (await report) as VictimReport
  friend.close()
  console.log(`${flood ?? 'quiet'}: ${describe(times)}; ${describeVictim(told, seconds + 1.5)}`)
  return times
}

type VictimReport = {
  readonly received: number
  readonly sent: number
  readonly dropped: Record<string, number>
  readonly cpuMs: number
}

function describeVictim(report: VictimReport, seconds: number): string {
  const share = ((report.cpuMs / 1000 / seconds) * 100).toFixed(0)
  const dropped = JSON.stringify(report.dropped)
  return `victim: ${report.received} in, ${report.sent} out, ${share} % of a core, dropped ${dropped}`
}

function describe(times: readonly number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(3)} ms, p99 ${quantile(times, 0.99).toFixed(3)} ms of ${times.length}`
}

function quantile(times: readonly number[], share: number): number {
  return [...times].sort((a, b) => a - b)[Math.floor(share * times.length)] ?? NaN
}

async function waitFor(condition: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > end) throw new Error('nothing happens')
    await pause(2)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { role: { type: 'string' }, seconds: { type: 'string', default: '5' } },
  })
  switch (values.role as Role | undefined) {
    case 'victim':
      runVictim()
      return
    case 'bad-mac':
      runFlooder(false)
      return
    case 'good-mac':
      runFlooder(true)
      return
    case undefined: {
      const seconds = Number(values.seconds)
      const quiet = quantile(await measure(undefined, seconds), 0.99)
      for (const flood of ['bad-mac', 'good-mac'] as const) {
        const flooded = quantile(await measure(flood, seconds), 0.99)
        console.log(`  p99 is ${(flooded / quiet).toFixed(2)} times that of quiet`)
      }
    }
  }
}

await main()
