import type { HostId } from '../core/clock.ts'
import type { Variable } from '../core/variable.ts'
import type { Findings } from './findings.ts'

/** Whoever watches a variable at one host in one of its lives. */
type Watch = {
  readonly host: HostId
  readonly life: number
  readonly name: string
  version: number
}

/**
 * What hosts tell of variables unasked: versions rise, by any number, as long as a host lives, and
 * end with the newest.
 */
export class Watches {
  readonly #findings: Findings
  readonly #watches = new Map<string, Watch>()

  constructor(findings: Findings) {
    this.#findings = findings
  }

  changed(at: number, host: HostId, life: number, { name, version }: Variable): void {
    const key = `${host} ${life} ${name}`
    const watch = this.#watches.get(key) ?? { host, life, name, version: 0 }
    this.#watches.set(key, watch)
    if (version <= watch.version) {
      this.#findings.add(
        at,
        `host ${host} tells of version ${version} of ${name} after ${watch.version}`,
      )
    }
    watch.version = Math.max(watch.version, version)
  }

  /** At rest: whoever was told of any version in the present life of a host was told of the last. */
  finish(
    at: number,
    lives: ReadonlyMap<HostId, number>,
    newest: ReadonlyMap<string, number>,
  ): void {
    for (const { host, life, name, version } of this.#watches.values()) {
      const last = newest.get(name)
      if (lives.get(host) !== life || last === undefined || last === version) continue
      this.#findings.add(
        at,
        `host ${host} told of version ${version} of ${name} and not of ${last}`,
      )
    }
  }
}
