import { Session } from 'node:inspector'
import { basename } from 'node:path'

import type { Profiler } from 'node:inspector'

/** Source text that was run, of one file. */
type Script = { readonly url: string; readonly isKnown: Uint8Array; readonly hasRun: Uint8Array }

/** Places that were run for the first time, by file. */
export type Fresh = Map<string, readonly number[]>

/** How much of a file was run: characters of it inside functions. */
export type FileCoverage = { readonly file: string; readonly share: number }

/** V8's precise block coverage, taken from within: what an input reached that none before it did. */
export class Coverage {
  readonly #session = new Session()
  readonly #scripts = new Map<string, Script>()
  #sources = /^/

  /** Only of files that are loaded later it is known what there is to be run. */
  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** From now on these files count, and nothing of them has run. */
  begin(sources: RegExp): void {
    this.#sources = /^file:.*dist/
    this.takeNew()
    this.#sources = sources
    for (const { hasRun } of this.#scripts.values()) hasRun.fill(0)
  }

  /** What has run since the last call and never before, or `undefined`. */
  takeNew(): Fresh | undefined {
    const fresh: Fresh = new Map()
    for (const { url, hasRun, isKnown } of this.#take()) {
      const places = this.#merge(url, hasRun, isKnown)
      if (places.length > 0) fresh.set(url, places)
    }
    return fresh.size > 0 ? fresh : undefined
  }

  /** Whether any of this has run since the last call; what has is taken out. */
  reaches(fresh: Fresh): boolean {
    let isReached = false
    for (const { url, hasRun } of this.#take()) {
      const places = fresh.get(url)
      if (places === undefined) continue
      const rest = places.filter(at => hasRun[at] !== 1)
      if (rest.length === places.length) continue
      isReached = true
      if (rest.length > 0) fresh.set(url, rest)
      else fresh.delete(url)
    }
    return isReached
  }

  /** By file, what was run since `begin`. */
  files(): readonly FileCoverage[] {
    const scripts = [...this.#scripts.values()].filter(({ url }) => this.#sources.test(url))
    return scripts.map(({ url, isKnown, hasRun }) => {
      let known = 0
      let run = 0
      for (const [at, is] of isKnown.entries()) {
        if (is === 0) continue
        known++
        if (hasRun[at] === 1) run++
      }
      return { file: basename(url), share: known === 0 ? 1 : run / known }
    })
  }

  #take(): readonly Script[] {
    let result: readonly Profiler.ScriptCoverage[] = []
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error === null) result = taken.result
    })
    return result.filter(({ url }) => this.#sources.test(url)).map(flatten)
  }

  /** The places that are new. */
  #merge(url: string, hasRun: Uint8Array, isKnown: Uint8Array): number[] {
    let script = this.#scripts.get(url)
    if (script === undefined || script.hasRun.length < hasRun.length) {
      const wider = { url, isKnown: isKnown.slice(), hasRun: new Uint8Array(hasRun.length) }
      wider.hasRun.set(script?.hasRun ?? [])
      script = wider
      this.#scripts.set(url, script)
    }
    const places: number[] = []
    for (let at = 0; at < hasRun.length; at++) {
      if (isKnown[at] === 1) script.isKnown[at] = 1
      if (hasRun[at] === 0 || script.hasRun[at] === 1) continue
      script.hasRun[at] = 1
      places.push(at)
    }
    return places
  }
}

/** Nested ranges, outer ones first, as a mark for each character. */
function flatten({ url, functions }: Profiler.ScriptCoverage): Script {
  const length = Math.max(0, ...functions.flatMap(({ ranges }) => ranges.map(r => r.endOffset)))
  const [hasRun, isKnown] = [new Uint8Array(length), new Uint8Array(length)]
  for (const { functionName, ranges } of functions) {
    // A function without a name that is the whole file ran when it was loaded.
    const isModule = functionName === '' && ranges[0]?.startOffset === 0
    for (const { startOffset, endOffset, count } of ranges) {
      hasRun.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      if (!isModule) isKnown.fill(1, startOffset, endOffset)
    }
  }
  return { url, hasRun, isKnown }
}
