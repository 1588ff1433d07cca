import test from 'ava'
import { monotonicNow } from '../../src/control/monotonic.ts'
import type { Variable } from '../../src/core/variable.ts'
import { Driver } from '../../src/daemon/driver.ts'
import type { Driven, DriverOutput } from '../../src/daemon/driver.ts'
import { after, milliseconds, NEVER } from '../../src/lib/time.ts'
import type { Instant } from '../../src/lib/time.ts'
import type { Effect, Input, Status, WhyStatus } from '../../src/node.ts'
import { until } from '../helpers/daemon-folder.ts'

/** A node that does what the test says. */
class ScriptedNode implements Driven {
  readonly steps: { readonly now: Instant; readonly input: Input }[] = []
  deadline: Instant = NEVER
  react: (input: Input) => readonly Effect[] = () => []

  step(now: Instant, input: Input): readonly Effect[] {
    this.steps.push({ now, input })
    return this.react(input)
  }

  status(): Status {
    throw new Error('nobody asks')
  }

  why(): WhyStatus {
    throw new Error('nobody asks')
  }

  locks(): [] {
    return []
  }

  variable(): Variable {
    throw new Error('nobody asks')
  }

  variables(): [] {
    return []
  }

  history(): [] {
    return []
  }
}

const nowhere: DriverOutput = {
  transmit: () => undefined,
  append: () => undefined,
  respond: () => undefined,
  notify: () => undefined,
}

function command(id: number): Input {
  return { type: 'command', id, command: { type: 'release', token: id } }
}

test('effects are performed in order, and inputs they give come after all of them', t => {
  const node = new ScriptedNode()
  const done: string[] = []
  const driver: Driver = new Driver(node, {
    transmit: ({ port }) => done.push(`datagram ${port}`),
    append: lsn => done.push(`append ${lsn}`),
    respond: id => {
      done.push(`response ${id}`)
      if (id === 1) driver.drive(command(2))
      done.push(`after ${id}`)
    },
    notify: ({ type }) => done.push(`event ${type}`),
  })
  node.react = input => {
    if (input.type !== 'command') return []
    done.push(`step ${input.id}`)
    return [
      { type: 'response', id: input.id, response: { type: 'released' } },
      { type: 'datagram', to: { ip: '::1', port: 9 }, bytes: new Uint8Array(1) },
      { type: 'event', event: { type: 'lost', cause: 'lease', token: 1, reason: '' } },
    ]
  }
  driver.drive(command(1))
  t.deepEqual(done, [
    'step 1',
    'response 1',
    'after 1',
    'datagram 9',
    'event lost',
    'step 2',
    'response 2',
    'after 2',
    'datagram 9',
    'event lost',
  ])
})

test('what clients have asked for leaves in the same turn of the loop, in one tick', async t => {
  const node = new ScriptedNode()
  const driver = new Driver(node, nowhere)
  node.react = input => {
    node.deadline = input.type === 'tick' ? NEVER : monotonicNow()
    return []
  }
  let hasTurned = false
  setImmediate(() => (hasTurned = true))
  driver.drive(command(1))
  driver.drive(command(2))
  await Promise.resolve()
  t.deepEqual(
    node.steps.map(({ input }) => input.type),
    ['command', 'command', 'tick'],
  )
  t.false(hasTurned)
  driver.stop()
})

test('a deadline that has come asks for a tick, after what has arrived together', async t => {
  const node = new ScriptedNode()
  const driver = new Driver(node, nowhere)
  node.react = input => {
    node.deadline = input.type === 'tick' ? NEVER : monotonicNow()
    return []
  }
  const from = { ip: '127.0.0.1', port: 1 }
  driver.drive({ type: 'datagram', from, bytes: new Uint8Array(1) })
  driver.drive({ type: 'datagram', from, bytes: new Uint8Array(1) })
  await Promise.resolve()
  const isTick = ({ input }: { readonly input: Input }): boolean => input.type === 'tick'
  t.false(node.steps.some(isTick))
  await until(() => node.steps.some(isTick))
  driver.stop()
})

test('a later deadline is waited for, and a nearer one takes its place', async t => {
  const node = new ScriptedNode()
  const driver = new Driver(node, nowhere)
  const start = monotonicNow()
  node.deadline = after(start, milliseconds(3_000_000_000))
  driver.drive(command(1))
  node.deadline = after(start, milliseconds(20))
  driver.drive(command(2))
  node.react = () => {
    node.deadline = NEVER
    return []
  }
  await until(() => node.steps.length >= 3)
  t.is(node.steps[2]?.input.type, 'tick')
  t.true(node.steps[2]!.now >= start + 20)
})

test('a deadline that has moved on is waited for anew, without a tick in between', async t => {
  const node = new ScriptedNode()
  const driver = new Driver(node, nowhere)
  const start = monotonicNow()
  node.deadline = after(start, milliseconds(200))
  driver.drive(command(1))
  node.deadline = after(start, milliseconds(300))
  driver.drive(command(2))
  node.react = () => {
    node.deadline = NEVER
    return []
  }
  await until(() => node.steps.length >= 3)
  t.true(node.steps[2]!.now >= start + 300)
})

test('the clock is CLOCK_MONOTONIC, the same in every process', t => {
  const node = new ScriptedNode()
  const driver = new Driver(node, nowhere)
  const before = process.hrtime()
  driver.drive(command(1))
  const now = node.steps[0]?.now ?? 0
  const ms = before[0] * 1000 + before[1] / 1e6
  t.true(now >= ms && now < ms + 1000)
})

test('a driver that was stopped steps no more', async t => {
  const node = new ScriptedNode()
  const driver = new Driver(node, nowhere)
  node.deadline = monotonicNow()
  driver.drive(command(1))
  driver.stop()
  driver.drive(command(2))
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  t.is(node.steps.length, 1)
})
