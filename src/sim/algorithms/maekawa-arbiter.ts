import { compare, type Timestamp } from '../../core/clock.ts'
import type { Output } from './contender.ts'

/** `time` is that of the request spoken of. Maekawa's LOCKED and RELINQUISH are GRANT and YIELD. */
export type MaekawaMessage =
  | { readonly type: 'request'; readonly time: number }
  | { readonly type: 'grant'; readonly time: number }
  | { readonly type: 'failed'; readonly time: number }
  | { readonly type: 'inquire'; readonly time: number }
  | { readonly type: 'yield' }
  | { readonly type: 'release' }

/** Grants to one request at a time, the earliest that it knows of, as far as it can. */
export class Arbiter {
  readonly #output: Output<MaekawaMessage>
  readonly #tellsOvertaken: boolean
  /** What it has granted to. */
  #locked: Timestamp | undefined
  #hasInquired = false
  /** The others, in ⇒. */
  readonly #queue: Timestamp[] = []
  /** Those of them that know that another is before them. */
  readonly #told = new Set<Timestamp>()

  constructor(output: Output<MaekawaMessage>, tellsOvertaken: boolean) {
    this.#output = output
    this.#tellsOvertaken = tellsOvertaken
  }

  request(request: Timestamp): void {
    this.#insert(request)
    if (this.#locked === undefined) {
      this.#grantToFirst()
      return
    }
    const [first, second] = this.#queue
    if (first !== request || compare(this.#locked, request) < 0) {
      this.#fail(request)
      return
    }
    if (second !== undefined && this.#tellsOvertaken) this.#fail(second)
    if (this.#hasInquired) return
    this.#hasInquired = true
    this.#output.send(this.#locked.host, { type: 'inquire', time: this.#locked.time })
  }

  /** Whoever we have granted to gives it back, and waits in its place. */
  yield(): void {
    const yielded = this.#locked
    if (yielded === undefined) return
    this.#insert(yielded)
    this.#told.add(yielded)
    this.#grantToFirst()
  }

  release(): void {
    this.#locked = undefined
    this.#grantToFirst()
  }

  #grantToFirst(): void {
    this.#hasInquired = false
    this.#locked = this.#queue.shift()
    if (this.#locked === undefined) return
    this.#told.delete(this.#locked)
    this.#output.send(this.#locked.host, { type: 'grant', time: this.#locked.time })
  }

  #fail(request: Timestamp): void {
    if (this.#told.has(request)) return
    this.#told.add(request)
    this.#output.send(request.host, { type: 'failed', time: request.time })
  }

  #insert(request: Timestamp): void {
    const place = this.#queue.findIndex(other => compare(request, other) < 0)
    if (place === -1) this.#queue.push(request)
    else this.#queue.splice(place, 0, request)
  }
}
