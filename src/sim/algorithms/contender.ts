import type { HostId } from '../../core/clock.ts'

/** A message of any algorithm; its type names it in the counts. */
export type Message = { readonly type: string }

/** What one host of an algorithm asks of the world around it. */
export type Output<M extends Message> = {
  /** Reliable, and FIFO to each host. What a host sends to itself takes no time and is no message. */
  send(to: HostId, message: M): void
  /** The critical section is ours. */
  enter(): void
}

/** One host of an algorithm. It asks again only after it has left. */
export type Contender<M extends Message> = {
  /** Before anything else; what it sends here is not counted. */
  start?(): void
  request(): void
  release(): void
  receive(from: HostId, message: M): void
}

/** A host that serves the others and never asks: hosts have numbers from 1. */
export const SERVER: HostId = 0

/** How each host of an algorithm is made; `hosts` are all that may ask. */
export type Algorithm<M extends Message = Message> = {
  create(self: HostId, hosts: readonly HostId[], output: Output<M>): Contender<M>
  /** What runs on SERVER, where there is one. */
  serve?(output: Output<M>): Pick<Contender<M>, 'receive'>
}
