import test from 'ava'
import type { HostId } from '../../src/core/clock.ts'
import type { CommandId, Response } from '../../src/core/command.ts'
import type { Rules } from '../../src/core/rules.ts'
import { milliseconds } from '../../src/lib/time.ts'
import { bytesOf } from '../../src/sim/variable-history.ts'
import { Schedule } from '../helpers/schedule.ts'

function set(s: Schedule, host: HostId, text: string): CommandId {
  return s.world.execute(host, {
    type: 'change',
    name: 'x',
    bytes: bytesOf(text, 0),
    condition: { type: 'always' },
    wait: milliseconds(10_000),
  })
}

function madeBy(response: Response | undefined): number | string | undefined {
  return response?.type === 'changed' ? response.variable.version : response?.type
}

/**
 * Host 3 has a promise of host 1 for a low ballot, and its ACCEPT is late. Host 2 makes version 1
 * with host 1, which then loses its disk, and with it the promise to refuse what host 3 sends.
 */
function acceptLate(rules: Partial<Rules>): readonly unknown[] {
  const s = new Schedule({ rules }).start()
  s.block(3, 0, 'variable-accept').block(2, 3, 'variable-prepare')
  const late = set(s, 3, 'late')
  s.run(50)
  const first = set(s, 2, 'first')
  s.until(() => s.responses.has(first))
  s.world.crash(1, 'all')
  s.world.loseDisk(1)
  s.world.boot(1)
  s.until(() => !s.world.machine(1).host.isBlank)
  s.world.cut(2, 3)
  s.unblock()
  s.until(() => s.responses.has(late))
  return [first, late].map(id => madeBy(s.responses.get(id)))
}

test('a host that has lost its disk refuses what its old life has promised to refuse', t => {
  t.deepEqual(acceptLate({}), [1, 2])
  t.deepEqual(acceptLate({ registerFloor: false }), [1, 1])
})
