import { setTimeout as delay } from 'node:timers/promises'
import type { DoctorFinding, DoctorResult } from '../../control/protocol.ts'
import { milliseconds } from '../../lib/time.ts'
import type { Command, Response, Status } from '../../node.ts'
import { aboutSelf } from '../about.ts'
import type { HostLine, HostsFile } from '../config.ts'
import type { Histogram } from '../histogram.ts'
import { checkDisk, lookAtDisk } from './disk.ts'
import { checkHosts, checkKey } from './files.ts'
import { fine, warning } from './finding.ts'
import { checkBoundPort, checkBuffers, checkWifi, readBufferLimits } from './network.ts'
import { checkChange, checkSite, type SiteFacts } from './site.ts'

/** How long hosts have to agree before a change, and how often that is looked at. */
const AGREE_MS = 10_000
const LOOK_MS = 100

/** Where heartbeats are rare, some of each are waited for, as long as a client waits. */
const HEARTBEATS = 5
const HEARD_MS_MAX = 100_000

/** Values that are spread at a time. */
const SPREAD_AT_ONCE = 32
const SPREAD_MS = 5000

/** What a daemon at work knows of itself. */
export type DoctorOptions = {
  /** As it was read at the start. */
  readonly file: HostsFile
  readonly hostsPath: string
  readonly hostsBytes: Uint8Array
  readonly self: HostLine
  readonly keyFile: string | undefined
  readonly insecure: boolean
  readonly state: string
  readonly version: string
  readonly commits: Histogram
  /** Where the socket is to be bound, as far as is known; and whether it is. */
  bound(): { readonly ip: string | undefined; readonly isBound: boolean }
  status(): Status
  variableNames(): readonly string[]
  ask(command: Command, respond: (response: Response) => void): void
}

/** Looks at everything that can be wrong with this host, and with the others as it sees them. */
export class Doctor {
  readonly #options: DoctorOptions
  /** One at a time of each kind: whoever asks meanwhile is answered with it. */
  readonly #underWay = new Map<boolean, Promise<DoctorResult>>()

  constructor(options: DoctorOptions) {
    this.#options = options
  }

  examine(connections: number, isBeforeChange: boolean): Promise<DoctorResult> {
    const known = this.#underWay.get(isBeforeChange)
    if (known !== undefined) return known
    const examination = this.#examine(connections, isBeforeChange).finally(() =>
      this.#underWay.delete(isBeforeChange),
    )
    this.#underWay.set(isBeforeChange, examination)
    return examination
  }

  async #examine(connections: number, isBeforeChange: boolean): Promise<DoctorResult> {
    const options = this.#options
    const { self, state, version } = options
    const facts = (): SiteFacts => ({
      status: options.status(),
      file: options.file,
      own: aboutSelf(options.file, version),
      connections,
    })
    const { ip, isBound } = options.bound()
    const findings: DoctorFinding[] = [
      fine('daemon', `lamportd ${version} runs, incarnation ${options.status().incarnation}`),
      ...this.#config(),
      checkKey(options.file, options.keyFile, options.insecure, options.status().keys),
      ...(ip === undefined ? [] : [checkBoundPort(ip, self.port, isBound), await checkWifi(ip)]),
      checkBuffers(readBufferLimits()),
      checkDisk(state, await lookAtDisk(state), options.commits),
      ...checkSite(facts()),
    ]
    if (isBeforeChange) findings.push(await this.#beforeChange(facts))
    return { findings }
  }

  #config(): readonly DoctorFinding[] {
    const { hostsPath, hostsBytes } = this.#options
    const { bytes, file, findings } = checkHosts(hostsPath)
    if (file === undefined || Buffer.compare(bytes, hostsBytes) === 0) return findings
    const text = `${hostsPath} has changed since lamportd started`
    const advice = 'it counts after a restart; docs/operations.md says in which order'
    return [...findings, warning('config', text, advice)]
  }

  /** Has each disk accept the newest of every variable, where that is not so, and waits for it. */
  async #beforeChange(facts: () => SiteFacts): Promise<DoctorFinding> {
    const askedAt = performance.now()
    const heard = Math.min(HEARTBEATS * this.#options.file.timing.heartbeat, HEARD_MS_MAX)
    const deadline = askedAt + Math.max(AGREE_MS, heard)
    let isSpread = false
    for (;;) {
      const finding = checkChange(facts(), performance.now() - askedAt)
      if (finding.state === 'ok' || performance.now() >= deadline) return finding
      const { status } = facts()
      const isThere = status.peers.every(({ state }) => state === 'member')
      if (!isThere) return finding
      const isWhole = status.whole && status.peers.every(({ copy }) => copy?.whole === true)
      if (!isWhole && !isSpread) {
        isSpread = true
        await this.#spread(deadline)
      } else await delay(LOOK_MS)
    }
  }

  async #spread(deadline: number): Promise<void> {
    const names = [...this.#options.variableNames()]
    const next = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        // What a majority does not take now it takes in no time that somebody waits for.
        if (performance.now() >= deadline) return
        const command = { type: 'get', name, wait: milliseconds(SPREAD_MS), spread: true } as const
        await new Promise<void>(resolve => this.#options.ask(command, () => resolve()))
      }
    }
    await Promise.all(Array.from({ length: SPREAD_AT_ONCE }, next))
  }
}
