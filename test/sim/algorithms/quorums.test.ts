import test from 'ava'
import {
  gridQuorums,
  meanSize,
  planeQuorums,
  type Quorums,
} from '../../../src/sim/algorithms/quorums.ts'
import { hostsOf } from '../../helpers/contenders.ts'

/** How many hosts two quorums have in common, at least and at most. */
function overlaps(quorums: Quorums): [least: number, most: number] {
  const all = [...quorums.values()]
  const shared = all.flatMap((one, at) =>
    all.slice(at + 1).map(other => one.filter(host => other.includes(host)).length),
  )
  return [Math.min(...shared), Math.max(...shared)]
}

test('any two quorums have a host in common, and each has its own', t => {
  for (let number = 2; number <= 73; number++) {
    for (const quorumsOf of [planeQuorums, gridQuorums]) {
      const quorums = quorumsOf(hostsOf(number))
      t.is(quorums.size, number)
      t.true(overlaps(quorums)[0] >= 1, `${number} hosts`)
      for (const [host, members] of quorums) {
        t.true(members.includes(host))
        t.is(new Set(members).size, members.length)
        t.true(members.every(member => member >= 1 && member <= number))
      }
    }
  }
  t.throws(() => planeQuorums(hostsOf(74)), { message: /no plane here has 74 points/ })
})

test('where there is a plane of N points, K is q + 1, and two lines meet in one point', t => {
  for (const q of [1, 2, 3, 4, 5, 7, 8]) {
    const quorums = planeQuorums(hostsOf(q * q + q + 1))
    for (const members of quorums.values()) t.is(members.length, q + 1)
    t.deepEqual(overlaps(quorums), [1, 1])
  }
})

test('a square grid has K = 2√N − 1, about twice that of a plane', t => {
  for (const side of [2, 3, 4, 5, 8]) {
    t.is(meanSize(gridQuorums(hostsOf(side * side))), 2 * side - 1)
  }
})
