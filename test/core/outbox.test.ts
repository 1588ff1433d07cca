import test from 'ava'
import { Outbox, type Outgoing } from '../../src/core/outbox.ts'

function outgoing(to: number, rests: number): Outgoing {
  const message = { type: 'prepare', time: rests, ballot: { counter: rests, host: 1 } } as const
  return { to, incarnation: 1, message, urgency: 'now', rests }
}

function flushed(outbox: Outbox, synced: number): readonly string[] {
  const sent: string[] = []
  outbox.flush(
    ({ rests }) => rests <= synced,
    ({ to, rests }) => sent.push(`${to}:${rests}`),
  )
  return sent
}

test('a message that waits for the disk holds back all that were sent after it', t => {
  const outbox = new Outbox()
  for (const [to, rests] of [
    [2, 1],
    [3, 2],
    [2, 0],
  ] as const)
    outbox.push(outgoing(to, rests))
  t.deepEqual(flushed(outbox, 0), [])
  t.deepEqual(flushed(outbox, 1), ['2:1'])
  t.false(outbox.isEmpty)
  t.deepEqual(flushed(outbox, 2), ['3:2', '2:0'])
  t.true(outbox.isEmpty)
})

test('what waits for channels that have ended does not go to those that are opened next', t => {
  const outbox = new Outbox()
  for (const to of [2, 3, 2]) outbox.push(outgoing(to, 5))
  outbox.forget(2)
  t.deepEqual(flushed(outbox, 5), ['3:5'])
})

test('what is pushed while it flushes comes after what was there', t => {
  const outbox = new Outbox()
  for (const to of [1, 2]) outbox.push(outgoing(to, 0))
  const sent: number[] = []
  const flush = (): void =>
    outbox.flush(
      () => true,
      ({ to }) => {
        sent.push(to)
        if (to === 1) outbox.push(outgoing(9, 0))
      },
    )
  flush()
  flush()
  t.deepEqual(sent, [1, 2, 9])
})
