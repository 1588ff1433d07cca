import test from 'ava'
import { toInstant } from '../../src/lib/time.ts'
import { Strangers } from '../../src/transport/strangers.ts'

const FROM = { ip: '10.0.0.7', port: 7411 }

test('a stranger is told of once, and shown for a minute after it has called', t => {
  const strangers = new Strangers()
  t.regex(strangers.note(toInstant(0), 9, FROM) ?? '', /^10\.0\.0\.7:7411 calls itself host 9, /)
  t.is(strangers.note(toInstant(30_000), 9, FROM), undefined)
  t.is(strangers.recent(toInstant(89_999)).length, 1)
  t.is(strangers.recent(toInstant(90_000)).length, 0)
})

test('16 are known at a time; who has not called for a minute makes room', t => {
  const strangers = new Strangers()
  for (let id = 100; id < 116; id += 1) strangers.note(toInstant(id - 100), id, FROM)
  t.is(strangers.note(toInstant(1000), 200, FROM), undefined)
  t.is(strangers.recent(toInstant(1000)).length, 16)
  t.regex(strangers.note(toInstant(60_002), 200, FROM) ?? '', /host 200/)
  t.is(strangers.recent(toInstant(60_002)).length, 14)
  t.regex(strangers.note(toInstant(60_003), 100, FROM) ?? '', /host 100/)
})
