import test from 'ava'
import type { Message } from '../../src/core/message.ts'
import { Outbox, type Outgoing } from '../../src/core/outbox.ts'

function outgoing(to: number, rests: number): Outgoing {
  const message: Message = { type: 'reply', view: 1, time: 1, request: 1 }
  return { to, incarnation: 1, message, rests }
}

test('what waits holds up all that follow, to whomever they go', t => {
  const outbox = new Outbox()
  for (const item of [outgoing(2, 0), outgoing(3, 7), outgoing(2, 0)]) outbox.push(item)
  const sent: number[] = []
  outbox.flush(
    ({ rests }) => rests <= 5,
    ({ to }) => sent.push(to),
  )
  t.deepEqual(sent, [2])
  t.false(outbox.isEmpty)
  outbox.flush(
    ({ rests }) => rests <= 7,
    ({ to }) => sent.push(to),
  )
  t.deepEqual(sent, [2, 3, 2])
  t.true(outbox.isEmpty)
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
