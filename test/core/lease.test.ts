import test from 'ava'
import { Lease } from '../../src/core/lease.ts'
import { Votes } from '../../src/core/view.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

const at = toInstant

function leaseOf(...votes: number[]): Lease {
  return new Lease(1, new Votes(votes.map((share, i) => ({ id: i + 1, votes: share }))), D)
}

const D = milliseconds(300)

test('the lease runs from the send time of the newest heartbeat that a majority has echoed', t => {
  const lease = leaseOf(1, 1, 1, 1, 1)
  t.false(lease.isValid(at(0)))
  lease.echo(at(20), 2, at(10))
  t.false(lease.isValid(at(20)))
  lease.echo(at(30), 3, at(15))
  t.is(lease.end(at(30)), at(310))
  lease.echo(at(40), 4, at(35))
  t.is(lease.end(at(40)), at(315))
  t.true(lease.isValid(at(314)))
  t.false(lease.isValid(at(315)))
})

test('votes are weighed: two votes of three renew a lease by themselves', t => {
  t.true(leaseOf(2, 1).isValid(at(1e9)))
  const light = new Lease(
    2,
    new Votes([
      { id: 1, votes: 2 },
      { id: 2, votes: 1 },
    ]),
    D,
  )
  t.false(light.isValid(at(5)))
  light.echo(at(6), 1, at(5))
  t.is(light.end(at(6)), at(305))
})

test('a host without a vote adds nothing', t => {
  const lease = leaseOf(1, 1, 0)
  lease.echo(at(20), 3, at(10))
  t.false(lease.isValid(at(20)))
})

test('an echo of a stamp that was not sent yet, or of an older one, proves nothing', t => {
  const lease = leaseOf(1, 1, 1)
  lease.echo(at(5), 2, at(9))
  t.false(lease.isValid(at(5)))
  lease.echo(at(20), 2, at(15))
  lease.echo(at(25), 2, at(10))
  t.is(lease.end(at(25)), at(315))
})

test('a host that has accepted a view without itself echoes itself no more', t => {
  const lease = leaseOf(1, 1, 1)
  lease.echo(at(20), 2, at(10))
  lease.refuseSelf(at(30))
  lease.echo(at(60), 2, at(50))
  t.is(lease.end(at(60)), at(330))
  // Without it, the two others are a majority of their own.
  lease.echo(at(70), 3, at(55))
  t.is(lease.end(at(70)), at(350))
  lease.allowSelf()
  t.is(lease.end(at(70)), at(355))
})

test('that holds as well for one that is a majority alone', t => {
  const lease = leaseOf(1)
  t.is(lease.end(at(40)), at(340))
  lease.refuseSelf(at(50))
  t.is(lease.end(at(90)), at(350))
  lease.refuseSelf(at(80))
  t.is(lease.end(at(90)), at(350))
})

test('a new incarnation was promised nothing', t => {
  const lease = leaseOf(1, 1, 1)
  lease.echo(at(20), 2, at(10))
  lease.forget()
  t.false(lease.isValid(at(20)))
})
