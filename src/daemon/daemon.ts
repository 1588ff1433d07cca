import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicNow } from '../control/monotonic.ts'
import { packageVersion } from '../control/version.ts'
import { RULES } from '../core/rules.ts'
import { Random } from '../lib/random.ts'
import { Node } from '../node.ts'
import type { NodeEvent } from '../node.ts'
import { ClearSeal } from '../transport/clear-seal.ts'
import { NoiseSeal } from '../transport/noise-seal.ts'
import type { Seal } from '../transport/seal.ts'
import { formatAddress, isLoopback, isLoopbackIp } from './address.ts'
import type { HostLine, HostsFile } from './config.ts'
import { nodeConfig } from './config.ts'
import { createCrypto } from './crypto.ts'
import { Driver } from './driver.ts'
import type { Log } from './log.ts'
import { Names } from './names.ts'
import { Network } from './network.ts'
import { Recorder } from './recorder.ts'
import type { Refusal } from './refusal.ts'
import { Server } from './server.ts'
import type { Store } from './store.ts'
import { createTrace } from './trace.ts'
import { warnOfPowerSave } from './wifi.ts'

/** Clients of a small box: cron jobs and a few services, with one or two connections each. */
const CONNECTIONS_MAX = 1024
const REQUESTS_MAX = 10_000

/** How long the last words to clients have to be read. */
const CLOSE_MS = 500

export type DaemonOptions = {
  readonly file: HostsFile
  readonly self: HostLine
  readonly socket: string
  /** What this host must not forget. */
  readonly store: Store
  /** What packets are sealed with, the first one to call with; `undefined`: they are not. */
  readonly keys: readonly Uint8Array[] | undefined
  /** Packets may leave this machine although they are not sealed. */
  readonly insecure: boolean
}

/** One host at work: a node, its driver, the network and the control socket. */
export class Daemon {
  readonly #options: DaemonOptions
  readonly #log: Log
  readonly #driver: Driver
  readonly #network: Network
  readonly #seal: Seal
  readonly #server: Server
  readonly #recorder: Recorder
  #names: Names | undefined
  #refusal: Refusal | undefined
  #isRunning = false

  /** @param fail told when the address cannot be had, after the start */
  constructor(options: DaemonOptions, log: Log, fail: (refusal: Refusal) => void) {
    const { file, self, store } = options
    this.#options = options
    this.#log = log
    this.#network = new Network(log, {
      bound: bytes => this.#driver.drive({ type: 'receive-buffer', bytes }),
      receive: (from, bytes) => this.#driver.drive({ type: 'datagram', from, bytes }),
      failed: refusal => {
        this.#refusal = refusal
        if (this.#isRunning) fail(refusal)
      },
    })
    const random = new Random(randomInt(2 ** 32))
    this.#seal = this.#createSeal(options.keys)
    const config = nodeConfig(file, self)
    this.#recorder = new Recorder(self.id)
    const trace = createTrace(this.#recorder)
    const node = new Node(config, store.takeDurable(), random, trace, RULES, this.#seal)
    const { clock, incarnation } = node.status(monotonicNow())
    this.#recorder.start(clock, incarnation)
    this.#driver = new Driver(node, {
      transmit: (to, bytes) => this.#network.send(to, bytes),
      append: (lsn, entries) => {
        store.append(lsn, entries, synced => this.#driver.drive({ type: 'synced', lsn: synced }))
      },
      respond: (id, response) => this.#server.respond(id, response),
      notify: event => this.#notify(event),
    })
    this.#server = new Server(
      {
        hosts: file.hosts,
        self: self.id,
        cluster: file.cluster,
        recorder: this.#recorder,
        version: packageVersion,
        lease: file.timing.lease,
        connectionsMax: CONNECTIONS_MAX,
        requestsMax: REQUESTS_MAX,
        commits: store.commits,
        warn: text => log.warning(text),
      },
      this.#driver,
    )
  }

  /** Done when the control socket answers; peers are not waited for. Throws a Refusal. */
  async start(): Promise<void> {
    const { file, self, socket, insecure, keys } = this.#options
    const own = self.bind ?? (self.place.type === 'literal' ? self.place.ip : undefined)
    if (own !== undefined) this.#network.bind({ ip: own, port: self.port })
    if (this.#refusal !== undefined) throw this.#refusal
    this.#driver.drive({ type: 'tick' })
    await this.#server.listen(socket)
    this.#isRunning = true
    if (own !== undefined) void warnOfPowerSave(own, this.#log)
    const hosts = file.hosts.filter(({ id, bind }) => id !== self.id || bind === undefined)
    const loopbackOnly = keys === undefined && !insecure
    this.#names = new Names({ hosts, family: familyOf(file), loopbackOnly }, this.#log, {
      isSilent: host => this.#isSilent(host),
      resolved: (host, ip) => this.#resolved(host, ip),
    })
    const where = self.place.type === 'literal' ? self.place.ip : self.place.name
    this.#log.info(
      `ready: ${self.name} (${self.id}) of ${file.cluster}, one of ${file.hosts.length}, ` +
        `on UDP ${formatAddress(own ?? where, self.port)}, ${describeSeal(this.#seal)}, ` +
        `control socket ${socket}`,
    )
  }

  /** Other keys from now on; the log says whether they are taken. */
  changeKeys(keys: readonly Uint8Array[]): void {
    this.#driver.drive({ type: 'keys', seal: this.#createSeal(keys) })
  }

  /** Holders are told and have a lease to stop; then the others hear of it, and all is closed. */
  async leave(): Promise<void> {
    this.#names?.close()
    await this.#server.leave()
    await Promise.race([this.#server.close(), delay(CLOSE_MS)])
    this.#driver.stop()
    this.#network.close()
    await this.#options.store.close()
  }

  #createSeal(keys: readonly Uint8Array[] | undefined): Seal {
    if (keys === undefined) return new ClearSeal(new Random(randomInt(2 ** 32)))
    const seal = new NoiseSeal(createCrypto(), this.#options.file.cluster, keys)
    for (const key of keys) key.fill(0)
    return seal
  }

  #isSilent({ id }: HostLine): boolean {
    return this.#driver.status().peers.some(peer => peer.id === id && peer.state === 'silent')
  }

  #resolved(host: HostLine, ip: string): void {
    const { self, file } = this.#options
    if (host.id !== self.id) {
      const address = { ip, port: host.port }
      this.#driver.drive({ type: 'address', host: host.id, address })
      return
    }
    const isAlone = file.hosts.every(({ place }) => isLoopback(place))
    if (isAlone || !isLoopbackIp(ip)) {
      this.#network.bind({ ip, port: host.port })
      return
    }
    const advice = 'write bind: or the address itself in hosts.yml'
    const reason = `this machine's own name for itself leads to ${ip}, where nobody else reaches it`
    this.#log.warning(`${reason}: binding all its addresses instead (${advice})`)
    this.#network.bind({ ip: ip.includes(':') ? '::' : '0.0.0.0', port: host.port })
  }

  #notify(event: NodeEvent): void {
    if (event.type !== 'log') {
      this.#server.notify(event)
      return
    }
    this.#log[event.level](event.text)
  }
}

function describeSeal({ names }: Seal): string {
  const [first, ...others] = names
  if (first === undefined) return 'packets not sealed'
  const accepted = others.length === 0 ? '' : ` (${others.join(', ')} accepted as well)`
  return `packets sealed with key ${first}${accepted}`
}

/** All literals of a file are of one family; names alone are looked up as IPv4. */
function familyOf({ hosts }: HostsFile): 4 | 6 {
  for (const { place, bind } of hosts) {
    if (bind?.includes(':') === true) return 6
    if (place.type === 'literal') return place.family
  }
  return 4
}
