import { lookup } from 'node:dns/promises'
import { isLoopbackIp } from './address.ts'
import type { HostLine } from './config.ts'
import type { Log } from './log.ts'
import { reasonOf } from './refusal.ts'

/** How often the name of an unreachable host is looked up again. */
const AGAIN_MS = 5000

export type NamesOutput = {
  /** Whether nothing is heard of this host. */
  isSilent(host: HostLine): boolean
  /** Its name leads here: as at first, or as it does from now on. */
  resolved(host: HostLine, ip: string): void
}

export type NamesOptions = {
  readonly hosts: readonly HostLine[]
  readonly family: 4 | 6
  /** Packets are not sealed: a name that leads beyond loopback is not followed. */
  readonly loopbackOnly: boolean
}

/** Turns the names among the addresses of hosts.yml into literals, and again while one is silent. */
export class Names {
  readonly #options: NamesOptions
  readonly #log: Log
  readonly #output: NamesOutput
  readonly #timer: NodeJS.Timeout | undefined
  readonly #known = new Map<number, string>()
  readonly #underWay = new Set<number>()
  /** What was last told of a host, so that it is told once. */
  readonly #told = new Map<number, string>()

  constructor(options: NamesOptions, log: Log, output: NamesOutput) {
    this.#options = options
    this.#log = log
    this.#output = output
    if (!options.hosts.some(({ place }) => place.type === 'name')) return
    this.#resolveSilent()
    this.#timer = setInterval(() => this.#resolveSilent(), AGAIN_MS)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #resolveSilent(): void {
    for (const host of this.#options.hosts) {
      const isKnown = this.#known.has(host.id)
      if (host.place.type === 'literal' || this.#underWay.has(host.id)) continue
      if (!isKnown || this.#output.isSilent(host)) void this.#resolve(host, host.place.name)
    }
  }

  async #resolve(host: HostLine, name: string): Promise<void> {
    this.#underWay.add(host.id)
    try {
      const found = await lookup(name, { family: this.#options.family, all: true })
      this.#found(
        host,
        name,
        found.map(({ address }) => address),
      )
    } catch (error) {
      const advice = 'trying on; see address: in hosts.yml'
      this.#tell(host, `${name}, the address of ${host.name}: ${reasonOf(error)} (${advice})`)
    } finally {
      this.#underWay.delete(host.id)
    }
  }

  #found(host: HostLine, name: string, ips: readonly string[]): void {
    const usable = this.#options.loopbackOnly ? ips.filter(isLoopbackIp) : ips
    const known = this.#known.get(host.id)
    if (known !== undefined && usable.includes(known)) return
    // Debian's /etc/hosts has a machine's own name on 127.0.1.1: no other host can use that.
    const ip = usable.find(each => !isLoopbackIp(each)) ?? usable[0]
    if (ip === undefined) {
      const advice = 'packets are not sealed; make a key: lamportctl keygen'
      this.#tell(host, `${name} leads to ${ips.join(', ')}, beyond this machine (${advice})`)
      return
    }
    this.#known.set(host.id, ip)
    if (known !== undefined) this.#log.info(`${host.name}: ${name} is now ${ip}, was ${known}`)
    this.#told.delete(host.id)
    this.#output.resolved(host, ip)
  }

  #tell(host: HostLine, text: string): void {
    if (this.#told.get(host.id) === text) return
    this.#told.set(host.id, text)
    this.#log.warning(text)
  }
}
