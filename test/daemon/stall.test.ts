import { createSocket } from 'node:dgram'
import test from 'ava'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { Driver } from '../../src/daemon/driver.ts'
import type { Driven } from '../../src/daemon/driver.ts'
import { createLog } from '../../src/daemon/log.ts'
import { Network } from '../../src/daemon/network.ts'
import { after, milliseconds, NEVER } from '../../src/lib/time.ts'
import type { Instant } from '../../src/lib/time.ts'
import type { Input } from '../../src/node.ts'
import { until } from '../helpers/daemon-folder.ts'

/** Writes down what it is given; wants a tick once, at a time that the test sets. */
class Listener {
  readonly inputs: Input[] = []
  deadline: Instant = NEVER
  readonly driven: Driven

  constructor() {
    const nothing = (): never => {
      throw new Error('nobody asks')
    }
    const deadline = (): Instant => this.deadline
    this.driven = {
      step: (_now, input) => {
        this.inputs.push(input)
        if (input.type === 'tick') this.deadline = NEVER
        return []
      },
      get deadline() {
        return deadline()
      },
      status: nothing,
      why: nothing,
      locks: nothing,
      variable: nothing,
      variables: nothing,
      history: nothing,
    }
  }

  /** The types of what came, without repetition. */
  get types(): string[] {
    return this.inputs.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1])
  }
}

const nowhere = {
  transmit: () => undefined,
  append: () => undefined,
  respond: () => undefined,
  notify: () => undefined,
}

/** As a collection of garbage, or a disk that takes its time. */
function blockFor(ms: number): void {
  const end = monotonicNow() + ms
  while (monotonicNow() < end);
}

test('after a stall everything that waits in the socket is taken before any timer', async t => {
  const node = new Listener()
  const driver = new Driver(node.driven, nowhere)
  const network = new Network(
    createLog(() => undefined, false),
    {
      bound: () => undefined,
      receive: (from, bytes) => driver.drive({ type: 'datagram', from, bytes }),
      failed: () => undefined,
    },
  )
  const address = { ip: '127.0.72.1', port: 7521 }
  network.bind(address)
  const sender = createSocket({ type: 'udp4', lookup: (host, _, done) => done(null, host, 4) })
  sender.bind(0, '127.0.72.2')
  t.teardown(() => {
    driver.stop()
    network.close()
    sender.close()
  })
  node.deadline = after(monotonicNow(), milliseconds(10))
  driver.drive({ type: 'address', host: 2, address })
  // More than one poll takes; and the loop is held up in the phase before that of timers.
  const count = 100
  await new Promise<void>(resolve => {
    setImmediate(() => {
      for (let i = 0; i < count; i++) sender.send(Uint8Array.of(i), address.port, address.ip)
      blockFor(80)
      resolve()
    })
  })
  await until(() => node.inputs.some(({ type }) => type === 'tick'))
  // On a busy machine another stall may follow while they are taken.
  const types = node.inputs.map(({ type }) => type)
  t.deepEqual(node.types.slice(0, 3), ['address', 'stalled', 'datagram'])
  t.is(types.filter(type => type === 'datagram').length, count)
  t.is(types.indexOf('tick'), types.length - 1)
  const stall = node.inputs.find(input => input.type === 'stalled')
  t.true(stall!.lag >= 60 && stall!.lag < 2000, `${stall!.lag}`)
})

test('a loop that was not held up excuses nobody, and a step that takes long is no stall', async t => {
  const node = new Listener()
  const driver = new Driver(node.driven, nowhere)
  t.teardown(() => driver.stop())
  for (let i = 0; i < 5; i++) {
    node.deadline = after(monotonicNow(), milliseconds(5))
    driver.drive({ type: 'synced', lsn: i })
    await until(() => node.deadline === NEVER)
  }
  const lags = node.inputs.flatMap(input => (input.type === 'stalled' ? [input.lag] : []))
  // Another process may have the processor: but then the stall is as long as it says.
  t.true(lags.every(lag => lag >= 20))
  t.is(node.inputs.filter(({ type }) => type === 'tick').length, 5)
})

test('what did not come while nothing was waited for is no stall', async t => {
  const node = new Listener()
  const driver = new Driver(node.driven, nowhere)
  t.teardown(() => driver.stop())
  driver.drive({ type: 'synced', lsn: 1 })
  await new Promise(resolve => setImmediate(resolve))
  blockFor(60)
  driver.drive({ type: 'synced', lsn: 2 })
  t.deepEqual(node.types, ['synced'])
})
