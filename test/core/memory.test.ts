import test from 'ava'
import { findGap, isLoyal, type Memory } from '../../src/core/memory.ts'
import type { SafetyTable } from '../../src/core/table.ts'
import { milliseconds } from '../../src/lib/time.ts'

/** Hosts with a vote each, but for those that are said to have more. */
function table(ids: readonly number[], more: Readonly<Record<number, number>> = {}): SafetyTable {
  const hosts = ids.map(id => ({ id, votes: more[id] ?? 1 }))
  return { hosts, timing: { lease: milliseconds(2000), drift: 0.02 } }
}

function memories(of: Readonly<Record<number, Memory>>): Map<number, Memory> {
  return new Map(Object.entries(of).map(([id, memory]) => [Number(id), memory]))
}

const NOBODY_NEW = { newcomers: new Set<number>() }
const OLD = table([1, 2, 3])
const old: Memory = { voted: OLD, pledged: OLD }

test('only who voted by a table and is pledged to no other may vote by it', t => {
  t.true(isLoyal(old, table([3, 2, 1])))
  t.false(isLoyal({ voted: OLD, pledged: table([1, 2]) }, OLD))
  t.false(isLoyal({ voted: table([1, 2]), pledged: OLD }, OLD))
})

test('a majority of an older table is enough, and half of it is not', t => {
  t.is(findGap(table([1, 2, 4]), memories({ 1: old, 2: old }), undefined), undefined)
  t.deepEqual(findGap(table([1, 4, 5]), memories({ 1: old }), undefined), {
    type: 'removed',
    hosts: [2, 3],
  })
  const two = table([1, 2])
  const gap = findGap(table([1]), memories({ 1: { voted: two, pledged: two } }), undefined)
  t.deepEqual(gap, { type: 'removed', hosts: [2] })
})

test('a table that somebody was only pledged to counts like one that was voted by', t => {
  const begun = table([1, 4, 5])
  const gap = findGap(OLD, memories({ 1: { voted: OLD, pledged: begun }, 2: old }), NOBODY_NEW)
  t.deepEqual(gap, { type: 'removed', hosts: [4, 5] })
})

test('blank hosts that are a majority may have decided by the table, unless they are newcomers', t => {
  const one = memories({ 1: old })
  t.deepEqual(findGap(OLD, one, NOBODY_NEW), { type: 'forgotten', hosts: [2, 3] })
  t.is(findGap(OLD, one, { newcomers: new Set([2]) }), undefined)
  t.is(findGap(OLD, one, undefined), undefined, 'nobody has voted by it before')
  t.is(findGap(OLD, memories({ 1: old, 2: old }), NOBODY_NEW), undefined)
})

test('votes count, not hosts', t => {
  const heavy = table([1, 2, 3], { 1: 3 })
  const memory: Memory = { voted: heavy, pledged: heavy }
  t.is(findGap(table([1, 4]), memories({ 1: memory }), undefined), undefined)
  t.is(findGap(table([2, 3]), memories({ 2: memory, 3: memory }), undefined)?.type, 'removed')
})
