import test from 'ava'
import { Changes } from '../../src/core/changes.ts'
import { LamportClock, type HostId } from '../../src/core/clock.ts'
import type { Response } from '../../src/core/command.ts'
import type { VariableMessage } from '../../src/core/message.ts'
import type { Ballot } from '../../src/core/register.ts'
import { RULES } from '../../src/core/rules.ts'
import { nextValue, type VariableValue } from '../../src/core/variable.ts'
import { Random } from '../../src/lib/random.ts'
import { toInstant } from '../../src/lib/time.ts'

const NONE: Ballot = { counter: 0, host: 0 }
const ONE = nextValue(undefined, new Uint8Array([1]), { host: 2, time: 3 })
const OTHER = nextValue(nextValue(ONE, new Uint8Array([7]), { host: 3, time: 4 }), undefined, {
  host: 3,
  time: 5,
})

/** Host 1 of three as a proposer; what acceptors answer is said by the test. */
class Proposer {
  readonly sent: VariableMessage[] = []
  readonly answers: Response['type'][] = []
  readonly changes: Changes
  #now = 0

  constructor() {
    this.changes = new Changes(1, new LamportClock(10), new Random(1), RULES, {
      reachable: () => [1, 2, 3],
      isQuorum: hosts => [...hosts].length >= 2,
      promised: () => NONE,
      send: (_to, message) => this.sent.push(message),
      chosen: () => undefined,
      answer: (_id, { type }) => this.answers.push(type),
      expired: (_operation, mayTakeEffect) =>
        this.answers.push(mayTakeEffect ? 'uncertain' : 'refused'),
    })
  }

  /** Sets x, if it has version 1. */
  setIfOne(): void {
    this.changes.begin(toInstant(this.#now), {
      name: 'x',
      id: 1,
      deadline: toInstant(1e6),
      work: {
        type: 'change',
        bytes: new Uint8Array([2]),
        condition: { type: 'version', version: 1 },
      },
    })
  }

  promise(from: HostId, accepted: Ballot, value: VariableValue | undefined): void {
    const message = { type: 'variable-promise', time: 20, name: 'x', ballot: this.#ballot } as const
    this.changes.receive(toInstant(this.#now), from, { ...message, accepted, value })
  }

  accepted(from: HostId): void {
    const message = {
      type: 'variable-accepted',
      time: 20,
      name: 'x',
      ballot: this.#ballot,
    } as const
    this.changes.receive(toInstant(this.#now), from, message)
  }

  /** Outbid by host 3: it pauses, and begins another round. */
  outbid(): void {
    const promised = { counter: 99, host: 3 }
    const message = { type: 'variable-conflict', time: 20, name: 'x', promised } as const
    this.changes.receive(toInstant(this.#now), 3, { ...message, ballot: this.#ballot })
    this.#now += 5000
    this.changes.tick(toInstant(this.#now))
  }

  get #ballot(): Ballot {
    const last = this.sent.findLast(message => 'ballot' in message)
    if (last === undefined || !('ballot' in last)) throw new Error('a round has begun')
    return last.ballot
  }
}

/** Its ACCEPT of version 2 has gone out, on top of a version 1 that only host 2 has accepted. */
function outbidAfterAccept(): Proposer {
  const proposer = new Proposer()
  proposer.setIfOne()
  proposer.promise(1, NONE, undefined)
  proposer.promise(2, { counter: 5, host: 2 }, ONE)
  if (proposer.sent.at(-1)?.type !== 'variable-accept') throw new Error('an ACCEPT goes out')
  proposer.outbid()
  return proposer
}

test('a refusal after an ACCEPT is no answer where nothing can be chosen in its place', t => {
  const proposer = outbidAfterAccept()
  proposer.promise(1, NONE, undefined)
  proposer.promise(3, NONE, undefined)
  // Whoever has accepted version 2 may yet be asked.
  t.deepEqual(proposer.answers, ['uncertain'])
  t.is(proposer.changes.size, 0)
})

test('a refusal after an ACCEPT is told when what it rests on has been chosen later than that', t => {
  const proposer = outbidAfterAccept()
  const before = { counter: 4, host: 3 }
  proposer.promise(1, before, OTHER)
  proposer.promise(3, before, OTHER)
  const last = proposer.sent.at(-1)
  t.like(last, { type: 'variable-accept', value: OTHER })
  t.deepEqual(proposer.answers, [])
  proposer.accepted(1)
  proposer.accepted(3)
  t.deepEqual(proposer.answers, ['differs'])
})

test('a refusal before any ACCEPT is told as soon as a majority agrees', t => {
  const proposer = new Proposer()
  proposer.setIfOne()
  proposer.promise(1, NONE, undefined)
  proposer.promise(3, NONE, undefined)
  t.deepEqual(proposer.answers, ['differs'])
})
