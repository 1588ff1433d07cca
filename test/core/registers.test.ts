import test from 'ava'
import type { Ballot } from '../../src/core/register.ts'
import { Registers, type VariableRecord } from '../../src/core/registers.ts'
import { nextValue } from '../../src/core/variable.ts'

const ONE = nextValue(undefined, new Uint8Array([1]), { host: 1, time: 5 })
const TWO = nextValue(ONE, new Uint8Array([2]), { host: 2, time: 7 })

function ballot(counter: number, host = 1): Ballot {
  return { counter, host }
}

function make(
  records: ReadonlyMap<string, VariableRecord> = new Map(),
  floor = 0,
): { registers: Registers; saved: string[] } {
  const saved: string[] = []
  const registers = new Registers(records, floor, {
    promised: (name, { promised }) => saved.push(`promised ${name} ${promised.counter}`),
    accepted: (name, { accepted }) => saved.push(`accepted ${name} ${accepted.counter}`),
    floor: counter => saved.push(`floor ${counter}`),
  })
  return { registers, saved }
}

test('a promise is kept, and saved before it is given; asked again it is given again', t => {
  const { registers, saved } = make()
  t.true(registers.prepare('x', ballot(5)))
  t.true(registers.prepare('x', ballot(5)))
  t.false(registers.prepare('x', ballot(4, 9)))
  t.false(registers.accept('x', ballot(4), ONE, ballot(6)))
  t.true(registers.prepare('y', ballot(1)))
  t.deepEqual(saved, ['promised x 5', 'promised y 1'])
})

test('what is accepted promises the next ballot along with it', t => {
  const { registers, saved } = make()
  t.true(registers.accept('x', ballot(5), ONE, ballot(8)))
  t.false(registers.prepare('x', ballot(7)))
  t.false(registers.accept('x', ballot(7, 2), TWO, ballot(9, 2)))
  t.true(registers.accept('x', ballot(8), TWO, ballot(9)))
  t.deepEqual(registers.record('x').value, TWO)
  t.deepEqual(saved, ['accepted x 5', 'accepted x 8'])
})

test('an ACCEPT that comes again is ACCEPTED again, whatever was promised since', t => {
  const { registers, saved } = make()
  t.true(registers.accept('x', ballot(5), ONE, ballot(6)))
  t.true(registers.prepare('x', ballot(20, 2)))
  t.true(registers.accept('x', ballot(5), ONE, ballot(6)))
  t.deepEqual(registers.promised('x'), ballot(20, 2))
  t.is(saved.length, 2)
})

test('a next ballot that is not later promises nothing less than the ballot itself', t => {
  const { registers } = make()
  t.true(registers.accept('x', ballot(5), ONE, ballot(3)))
  t.deepEqual(registers.promised('x'), ballot(5))
})

test('below the floor nothing is taken, of any register, also of one that nobody knows', t => {
  const { registers, saved } = make()
  registers.accept('x', ballot(5), ONE, ballot(6))
  registers.raiseFloor(10)
  registers.raiseFloor(9)
  for (const name of ['x', 'never heard of']) {
    t.false(registers.prepare(name, ballot(9, 1023)))
    t.false(registers.accept(name, ballot(9), TWO, ballot(11)))
    t.true(registers.prepare(name, ballot(10)))
  }
  t.deepEqual(saved.slice(1), ['floor 10', 'promised x 10', 'promised never heard of 10'])
  const again = make(registers.records, 10)
  t.false(again.registers.prepare('z', ballot(9)))
})
