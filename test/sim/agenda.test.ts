import fc from 'fast-check'
import test from 'ava'
import { Agenda } from '../../src/sim/agenda.ts'

test('entries come by time, and at one time in the order in which they were put down', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), times => {
      const agenda = new Agenda()
      const came: [number, number][] = []
      times.forEach((at, i) => agenda.add(at, () => came.push([at, i])))
      while (agenda.size > 0) agenda.take()?.run()
      const sorted = times.map((at, i): [number, number] => [at, i])
      sorted.sort((a, b) => a[0] - b[0] || a[1] - b[1])
      t.deepEqual(came, sorted)
    }),
  )
})

test('what is put down while others are taken off finds its place', t => {
  const agenda = new Agenda()
  const came: string[] = []
  agenda.add(1, () => {
    came.push('a')
    agenda.add(1, () => came.push('c'))
    agenda.add(2, () => came.push('e'))
  })
  agenda.add(1, () => came.push('b'))
  agenda.add(1.5, () => came.push('d'))
  while (agenda.next < Infinity) agenda.take()?.run()
  t.is(came.join(''), 'abcde')
  t.is(agenda.take(), undefined)
})
