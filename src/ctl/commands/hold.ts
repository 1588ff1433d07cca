import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Standby, type HoldPlan } from '../hold/standby.ts'
import { Supervisor } from '../../control/supervisor.ts'
import { SHARING, WHY } from '../lock/options.ts'
import { FAREWELL_MS } from '../lock/parts.ts'
import { planLock } from '../lock/plan.ts'
import { Signals } from '../lock/signals.ts'
import { Notes } from '../output.ts'

const SPEC: CommandSpec = {
  name: 'hold',
  operands: ['lock'],
  usage: ['hold NAME --on-acquire CMD --on-lost CMD [OPTION...]'],
  summary:
    'Keeps a lock for good: where it is held a service is active, elsewhere hosts stand by. It ' +
    'waits for ever, and after a loss, or a restart of lamportd that took too long, it waits again.',
  options: {
    'on-acquire': { type: 'text', value: 'CMD', describe: 'a line of shell, when it is held' },
    'on-lost': {
      type: 'text',
      value: 'CMD',
      describe: 'a line of shell, before another host can have it: undoes the other one',
    },
    ...SHARING,
    grace: {
      type: 'text',
      value: 'SECONDS',
      describe: 'what on-lost has if the lock is lost (else a quarter of the lease)',
    },
    ...WHY,
  },
  examples: [
    [
      "lamportctl hold web \\\n      --on-acquire 'ip addr add 10.0.0.9/24 dev eth0' \\\n      --on-lost 'ip addr del 10.0.0.9/24 dev eth0'",
      'an address that is on one host at a time',
    ],
    [
      "lamportctl hold mqtt \\\n      --on-acquire 'systemctl start mosquitto' \\\n      --on-lost 'systemctl kill -s KILL mosquitto'",
      'a service, likewise',
    ],
  ],
  notes:
    'If the lock is lost, on-acquire is killed where it still runs, and on-lost begins a quarter of ' +
    'the lease before another host can enter; at that time it is killed. A --grace longer than ' +
    'that gives the promise up. If on-acquire fails, on-lost runs, the lock is let go, and it is ' +
    'tried again after 1 s, then 2 s, 4 s, up to a minute. So on-lost follows every on-acquire, ' +
    'and must bear that little of it was done. SIGTERM: on-lost, then the lock is let go; exit 0.\n\n' +
    'Both find LAMPORT_LOCK_NAME, LAMPORT_LOCK_TOKEN, LAMPORT_LOCK_MODE, LAMPORT_HOST and ' +
    'LAMPORT_SOCKET in their environment. What happens is told on stderr.\n\n' +
    'In a unit with Type=notify, NotifyAccess=all and TimeoutStartSec=infinity systemd is told ' +
    'READY=1 when it is active first, and how it stands by STATUS=. If hold itself is killed the ' +
    'lock is free at once: ExecStopPost= should do what on-lost does.',
  exits: [['0', 'ended by a signal']],
  order: 'anywhere',
}

/** Active or standing by. */
export const hold: Command = command(SPEC, async (options, operands) => {
  const plan = planHold(options, operands)
  if ('problem' in plan) return usageError('hold', plan.problem)
  const notes = new Notes()
  const supervisor = new Supervisor(reason =>
    notes.complain(`systemd is not told: ${reason} (install systemd-notify)`),
  )
  const code = await new Standby(plan, new Signals(), notes, supervisor).run()
  await Promise.all([notes.flush(FAREWELL_MS), supervisor.flush(FAREWELL_MS)])
  return code
})

function planHold(
  options: Options,
  operands: readonly string[],
): HoldPlan | { readonly problem: string } {
  if (operands.length > 1) {
    return { problem: 'hold takes one NAME (quote the lines of shell; --and takes more names)' }
  }
  const [onAcquire, onLost] = [options.text('on-acquire'), options.text('on-lost')]
  // Of `lock` it is a choice.
  const lock = planLock(options.without('on-lost'), operands)
  if ('problem' in lock) return lock
  if (onAcquire === undefined || onLost === undefined) {
    const lacking = onAcquire === undefined ? '--on-acquire' : '--on-lost'
    return { problem: `${lacking} is missing (a line of shell; true does nothing)` }
  }
  return { lock, onAcquire, onLost, socket: options.text('socket') }
}
