import { after, earliest, elapsed, milliseconds, NEVER } from '../lib/time.ts'
import type { Instant } from '../lib/time.ts'
import { tokenOf, type HostId } from './clock.ts'
import type { Ghost, LockRequest } from './message.ts'
import type { QueueEntry, RequestQueue } from './queue.ts'

/** The times that the requests of an incarnation had: above `since`, up to `time`. */
export type Span = { readonly since: number; readonly time: number }

/**
 * Requests of excluded incarnations: their clients may be inside without knowing, so they keep their
 * place in the queue until every lease that they may have had has ended.
 */
export class Ghosts {
  readonly #entries = new Set<QueueEntry>()
  /** Of each host the incarnation that said LEAVE last: its clients have stopped. */
  readonly #departed = new Map<HostId, Span>()

  clear(): void {
    this.#entries.clear()
  }

  get deadline(): Instant {
    let deadline = NEVER
    for (const { ghostUntil, isAdopted } of this.#entries) {
      if (!isAdopted) deadline = earliest(deadline, ghostUntil ?? NEVER)
    }
    return deadline
  }

  hasDeparted({ host, time }: LockRequest): boolean {
    const span = this.#departed.get(host)
    return span !== undefined && time > span.since && time <= span.time
  }

  /** A request in the queue becomes a ghost. */
  add(entry: QueueEntry, until: Instant): void {
    entry.ghostUntil = until
    entry.isAdopted = false
    this.#entries.add(entry)
  }

  /** Its owner has vouched for it: a request like any other. */
  revive(entry: QueueEntry): void {
    entry.ghostUntil = undefined
    entry.isAdopted = false
    this.#entries.delete(entry)
  }

  /** Another host knows of a ghost. */
  receive(now: Instant, queue: RequestQueue, { remaining, ...request }: Ghost): void {
    if (queue.find(tokenOf(request)) !== undefined || this.hasDeparted(request)) return
    this.add(queue.insert(now, request), after(now, milliseconds(remaining)))
  }

  /** This incarnation has left, and its ghosts end. */
  forgive(queue: RequestQueue, host: HostId, span: Span): void {
    this.#departed.set(host, span)
    this.#remove(queue, ghost => this.hasDeparted(ghost.request))
  }

  /** Those whose time is over leave the queue. */
  expire(now: Instant, queue: RequestQueue): void {
    this.#remove(queue, ghost => now >= (ghost.ghostUntil ?? NEVER))
  }

  /** As other hosts are told; of those that are adopted their owner tells. */
  list(now: Instant): Ghost[] {
    const ghosts = [...this.#entries].filter(({ isAdopted }) => !isAdopted)
    return ghosts.map(({ request, ghostUntil }) => ({
      ...request,
      remaining: elapsed(now, ghostUntil ?? now),
    }))
  }

  #remove(queue: RequestQueue, isOver: (ghost: QueueEntry) => boolean): void {
    for (const ghost of [...this.#entries]) {
      if (ghost.isAdopted || !isOver(ghost)) continue
      this.#entries.delete(ghost)
      queue.remove(ghost.token)
    }
  }
}
