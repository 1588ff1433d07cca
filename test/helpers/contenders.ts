import type { HostId } from '../../src/core/clock.ts'
import { Random } from '../../src/lib/random.ts'
import type { Algorithm, Contender, Message, Output } from '../../src/sim/algorithms/contender.ts'
import { DelayWorld } from '../../src/sim/delays.ts'

/** Hosts 1 to n. */
export function hostsOf(number: number): HostId[] {
  return Array.from({ length: number }, (_, at) => at + 1)
}

/** An algorithm whose hosts get another output, or behave otherwise: to see that it is noticed. */
export function broken(
  algorithm: Algorithm,
  change: {
    readonly output?: (output: Output<Message>, self: HostId) => Output<Message>
    readonly contender?: (
      contender: Contender<Message>,
      output: Output<Message>,
      self: HostId,
    ) => Contender<Message>
  },
): Algorithm {
  return {
    ...algorithm,
    create: (self, hosts, output) => {
      const changed = change.output?.(output, self) ?? output
      const contender = algorithm.create(self, hosts, changed)
      return change.contender?.(contender, changed, self) ?? contender
    },
  }
}

/** An algorithm whose messages of a type are never sent. */
export function without(algorithm: Algorithm, type: string): Algorithm {
  return broken(algorithm, {
    output: output => ({
      send: (to, message) => {
        if (message.type !== type) output.send(to, message)
      },
      enter: () => output.enter(),
    }),
  })
}

/** The order in which hosts enter that ask at these times; each stays inside for one delay. */
export function orderOf(
  algorithm: Algorithm,
  hosts: readonly HostId[],
  asks: readonly { readonly at: number; readonly host: HostId }[],
): { readonly at: number; readonly host: HostId }[] {
  const options = { random: new Random(1), jitter: 0, isFifo: true }
  const world = new DelayWorld(algorithm, hosts, options)
  const entries: { readonly at: number; readonly host: HostId }[] = []
  world.onEnter = host => {
    entries.push({ at: world.now, host })
    world.after(1, () => world.release(host))
  }
  for (const { at, host } of asks) world.after(at, () => world.request(host))
  while (entries.length < asks.length && world.step());
  return entries
}
