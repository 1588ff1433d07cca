// An answer is acknowledged with what its receiver says next, and is found missing by its receiver.
import test, { type ExecutionContext } from 'ava'
import { World, type TestHost } from '../helpers/pair.ts'

/** Host 2 answers host 1's questions; there is nothing else between them. */
class Talk {
  readonly world: World
  readonly asker: TestHost
  readonly answerer: TestHost
  /** When each was delivered, in milliseconds since the last `ask`. */
  readonly answeredAfter: number[] = []
  #asked = 0

  constructor(t: ExecutionContext, seed = 1) {
    this.world = new World(seed)
    this.world.isChecking = false
    this.world.connect()
    t.true(this.world.isConnected)
    this.world.run(20)
    this.world.datagrams = 0
    this.asker = this.world.host(1)
    this.answerer = this.world.host(2)
    this.answerer.onDeliver = ({ text }) => {
      if (text.startsWith('question')) this.say(2, 'answer', true)
    }
    this.asker.onDeliver = ({ text, at }) => {
      if (text.startsWith('answer')) this.answeredAfter.push(at - this.#asked)
    }
  }

  say(from: 1 | 2, text: string, isAnswer = false): void {
    const { world } = this
    const { endpoint } = world.host(from)
    endpoint.send(world.now, from === 1 ? 2 : 1, 0, Buffer.from(text), 'now', isAnswer)
  }

  ask(): void {
    this.#asked = this.world.now
    this.say(1, 'question')
  }

  get srtt(): number {
    return this.answerer.endpoint.peer(1).srtt ?? NaN
  }

  /** Datagrams from a host that are put on the wire from now on, until `count` of them are lost. */
  lose(from: 1 | 2, count: number): void {
    let left = count
    this.world.intercept = datagram => datagram.from === from && left-- > 0
  }
}

test('its ACK goes with what the asker says next', t => {
  const talk = new Talk(t)
  talk.ask()
  talk.world.run(30)
  t.is(talk.world.datagrams, 2, 'the question, and the answer with its ACK')
  talk.say(1, 'thanks')
  talk.world.run(500)
  t.is(talk.world.datagrams, 4, 'what follows with the ACK of the answer, and its own')
  t.deepEqual([talk.asker.carried, talk.answerer.carried], [[], []])
})

test('where the asker says nothing for long, its ACK goes alone, and nobody probes', t => {
  const talk = new Talk(t)
  talk.ask()
  talk.world.run(49)
  t.is(talk.world.datagrams, 2)
  talk.world.run(2)
  t.is(talk.world.datagrams, 3)
  talk.world.run(500)
  t.is(talk.world.datagrams, 3)
  t.deepEqual([talk.asker.carried, talk.answerer.carried], [[], []])
})

test('that its ACK waited says nothing of the way there and back', t => {
  const talk = new Talk(t)
  for (let i = 0; i < 200; i++) {
    talk.ask()
    talk.world.run(40)
    talk.say(1, 'thanks')
    talk.world.run(10)
  }
  t.true(talk.srtt < 0.3, `${talk.srtt}`)
})

test('one that is lost is missed by the asker, as soon as any other', t => {
  const talk = new Talk(t)
  talk.lose(2, 1)
  talk.ask()
  talk.world.run(500)
  t.is(talk.answeredAfter.length, 1)
  const other = new Talk(t)
  other.answerer.onDeliver = ({ text }) => {
    if (text.startsWith('question')) other.say(2, 'answer')
  }
  other.lose(2, 1)
  other.ask()
  other.world.run(500)
  t.is(other.answeredAfter.length, 1)
  const [found, usual] = [talk.answeredAfter[0] ?? NaN, other.answeredAfter[0] ?? NaN]
  t.true(found <= usual + 0.3, `${found} ms, and ${usual} otherwise`)
  t.true(found < 5, `${found}`)
})

test('nor is it later where the question was lost before', t => {
  const talk = new Talk(t)
  talk.lose(1, 1)
  talk.ask()
  talk.world.run(500)
  t.is(talk.answeredAfter.length, 1)
  t.true((talk.answeredAfter[0] ?? NaN) < 5)
})

test('whatever the asker says without its ACK shows that it is lost', t => {
  const talk = new Talk(t)
  talk.lose(2, 1)
  talk.ask()
  talk.world.run(1)
  t.deepEqual(talk.answeredAfter, [])
  // Before its probe, and acknowledged by itself: nothing else would make the asker probe.
  talk.say(1, 'something else')
  talk.world.run(0.5)
  t.deepEqual(
    talk.answeredAfter.map(ms => ms.toFixed(1)),
    ['1.2'],
  )
  talk.world.run(500)
  t.is(talk.answeredAfter.length, 1)
})

test('one that is just on its way is not taken for lost', t => {
  const talk = new Talk(t)
  talk.ask()
  talk.world.run(0.15)
  talk.say(1, 'something else')
  talk.world.run(500)
  t.deepEqual(talk.answerer.carried, [])
  t.is(talk.answeredAfter.length, 1)
})

test('what may have crossed it makes the answerer ask for an ACK, and so find out', t => {
  for (const urgency of ['now', 'soon'] as const) {
    const talk = new Talk(t)
    talk.lose(2, 1)
    talk.ask()
    talk.world.run(0.15)
    // Too soon to show anything; and the ACK of this is one of the question as well.
    const { endpoint } = talk.asker
    endpoint.send(talk.world.now, 2, 0, Buffer.from('something else'), urgency)
    if (urgency === 'now') {
      // Nor is it another where a heartbeat takes the ACK along.
      talk.world.at(0.3, () => {
        talk.answerer.endpoint.sendDatagram(talk.world.now, 1, Buffer.from('beat'))
      })
    }
    talk.world.run(500)
    t.is(talk.answeredAfter.length, 1)
    const [after = NaN] = talk.answeredAfter
    t.true(after < 6, `${after}`)
  }
})

test('where nothing is lost, two questions at once cost no ACK more', t => {
  const talk = new Talk(t)
  talk.ask()
  talk.world.at(0.15, () => talk.ask())
  talk.world.run(20)
  t.is(talk.answeredAfter.length, 2)
  t.is(talk.world.datagrams, 4)
  talk.say(1, 'thanks')
  talk.world.run(500)
  t.is(talk.world.datagrams, 6)
  t.deepEqual([talk.asker.carried, talk.answerer.carried], [[], []])
})

test('a probe shows that something is missing, however long the way is', t => {
  const after = (isAnswer: boolean, delay: number): number => {
    const talk = new Talk(t)
    const { world } = talk
    talk.answerer.onDeliver = ({ text }) => {
      if (text === 'question') talk.say(2, 'answer', isAnswer)
    }
    world.faults.delay = delay
    for (let i = 0; i < 60; i++) {
      talk.ask()
      world.run(200)
      talk.say(1, 'thanks')
      world.run(200)
    }
    talk.answeredAfter.length = 0
    talk.lose(2, 1)
    talk.ask()
    world.run(1000)
    t.is(talk.answeredAfter.length, 1)
    return talk.answeredAfter[0] ?? NaN
  }
  for (const delay of [0.1, 1, 5, 20]) {
    const [found, usual] = [after(true, delay), after(false, delay)]
    t.true(found <= usual + 3, `${delay}: ${found} ms, and ${usual} otherwise`)
  }
})

test('what is not only an answer, or not with the ACK of a question, is acknowledged at once', t => {
  const talk = new Talk(t)
  talk.answerer.onDeliver = ({ text }) => {
    if (text !== 'question') return
    talk.say(2, 'answer', true)
    talk.say(2, 'and more')
  }
  talk.ask()
  talk.world.run(2)
  t.is(talk.world.datagrams, 3)
  const { world } = talk
  world.run(100)
  world.datagrams = 0
  // The ACK of the question has gone before.
  talk.answerer.onDeliver = () => world.at(5, () => talk.say(2, 'answer', true))
  talk.ask()
  world.run(8)
  t.is(world.datagrams, 4, 'question, ACK, answer, ACK')
})

test('many answers are acknowledged before they fill what may be in flight', t => {
  const talk = new Talk(t)
  for (let i = 0; i < 40; i++) {
    talk.world.at(i * 0.5, () => talk.ask())
  }
  talk.world.run(30)
  t.is(talk.answeredAfter.length, 40)
  t.true(talk.answerer.endpoint.peer(1).inFlight <= 4)
  t.deepEqual(talk.answerer.carried, [])
})

test('where losses are frequent both sides look for them', t => {
  const talk = new Talk(t, 3)
  const { world } = talk
  world.faults.drop = 0.2
  for (let i = 0; i < 200; i++) {
    talk.ask()
    world.run(60)
  }
  t.true(talk.answerer.endpoint.peer(1).loss > 0.03)
  world.faults.drop = 0
  world.run(1000)
  t.true(talk.answerer.endpoint.peer(1).loss > 0.03)
  world.datagrams = 0
  talk.ask()
  world.run(3)
  t.is(world.datagrams, 3, 'its ACK does not wait')
})

test('they come, each once and in order, whatever the network does', t => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World(seed, {
      faults: { drop: 0.02 * (seed % 6), duplicate: 0.1, jitter: 0.4, corrupt: 0.01 },
    })
    world.connect()
    const got: string[] = []
    const said: string[] = []
    world.isChecking = false
    world.host(2).onDeliver = ({ text }) => {
      const answer = Buffer.from(`answer ${text}`)
      world.host(2).endpoint.send(world.now, 1, 0, answer, 'now', true)
    }
    world.host(1).onDeliver = ({ text }) => got.push(text)
    for (let i = 0; i < 100; i++) {
      said.push(`answer ${i}`)
      world.host(1).endpoint.send(world.now, 2, 0, Buffer.from(`${i}`), 'now')
      world.run(world.random.between(0, 8))
    }
    t.true(
      world.run(60_000, () => got.length === 100),
      `seed ${seed}`,
    )
    t.deepEqual(got, said)
  }
})

test('nor does one that was received go again with what is sent meanwhile', t => {
  const talk = new Talk(t)
  talk.ask()
  for (let ms = 10; ms < 50; ms += 10) {
    talk.world.at(ms, () => {
      talk.answerer.endpoint.sendDatagram(talk.world.now, 1, Buffer.from('beat'))
    })
  }
  talk.world.run(500)
  t.deepEqual(talk.answerer.carried, [])
})

test('what is sent whenever is acknowledged with anything that the peer sends, or after 50 ms', t => {
  const talk = new Talk(t)
  const { world } = talk
  const whenever = (text: string): void => {
    talk.answerer.endpoint.send(world.now, 1, 0, Buffer.from(text), 'whenever')
  }
  whenever('over')
  world.run(20)
  t.is(world.datagrams, 1)
  talk.asker.endpoint.sendDatagram(world.now, 2, Buffer.from('beat'))
  world.run(500)
  t.is(world.datagrams, 2)
  whenever('over again')
  world.run(500)
  t.is(world.datagrams, 4)
  t.deepEqual(talk.answerer.carried, [])
})

test('where it is lost, who asks next gets it with the answer', t => {
  const talk = new Talk(t)
  const { world } = talk
  talk.lose(2, 1)
  talk.answerer.endpoint.send(world.now, 1, 0, Buffer.from('over'), 'whenever')
  world.run(20)
  t.deepEqual(talk.asker.deliveries, [])
  const start = world.now
  talk.ask()
  world.run(20)
  t.deepEqual(
    talk.asker.deliveries.map(({ text, at }) => `${text} ${(at - start).toFixed(1)}`),
    ['over 0.2', 'answer 0.2'],
  )
  world.run(500)
  t.is(talk.asker.deliveries.length, 2)
})

test('and where nobody asks, its owner finds out', t => {
  const talk = new Talk(t)
  const { world } = talk
  talk.lose(2, 1)
  const start = world.now
  talk.answerer.endpoint.send(world.now, 1, 0, Buffer.from('over'), 'whenever')
  world.run(500)
  t.deepEqual(
    talk.asker.deliveries.map(({ text }) => text),
    ['over'],
  )
  const [{ at } = { at: NaN }] = talk.asker.deliveries
  t.true(at - start > 50 && at - start < 56, `${at - start}`)
})

test('what is sent for a heartbeat alone is counted by itself, with an ACK or without', t => {
  const talk = new Talk(t)
  const { world, asker } = talk
  const beat = (): void => asker.endpoint.sendDatagram(world.now, 2, Buffer.from('beat'))
  const before = { ...asker.endpoint.counters }
  beat()
  world.run(5)
  talk.answerer.endpoint.send(world.now, 1, 0, Buffer.from('over'), 'whenever')
  world.run(5)
  // This takes the ACK along; the next goes with something that is said.
  beat()
  world.run(5)
  talk.say(1, 'something')
  beat()
  world.run(100)
  t.is(asker.endpoint.counters.beats - before.beats, 2)
  t.is(asker.endpoint.counters.sent - before.sent, 3)
})
