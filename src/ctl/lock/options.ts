import type { OptionSpec } from '../arguments.ts'

type Specs = Readonly<Record<string, OptionSpec>>

/** Which lock is meant beside its first name, and with whom it is shared. */
export const SHARING: Specs = {
  shared: { type: 'flag', alias: ['s'], describe: 'share it with others that share' },
  exclusive: { type: 'flag', alias: ['x', 'e'], describe: 'alone (the default)' },
  count: { type: 'text', value: 'N', describe: 'at most N holders at a time' },
  and: { type: 'list', value: 'NAME', describe: 'this lock too, all or none (repeatable)' },
}

/** How long it is waited for, and what comes of it where that is not long enough. */
export const WAITING: Specs = {
  nonblock: { type: 'flag', alias: ['n', 'nb'], describe: 'do not wait: exit 1 if it is taken' },
  wait: {
    type: 'text',
    alias: ['w', 'timeout'],
    value: 'SECONDS',
    describe: 'wait at most so long',
  },
  'conflict-exit-code': {
    type: 'text',
    alias: ['E'],
    value: 'CODE',
    describe: 'exit with this instead of 1 if it is not acquired',
  },
}

/** What happens to the command where the lock is lost. */
export const STOPPING: Specs = {
  grace: {
    type: 'text',
    value: 'SECONDS',
    describe: 'from the signal to SIGKILL if the lock is lost (else a quarter of the lease)',
  },
  'kill-signal': { type: 'text', value: 'SIG', describe: 'that signal (else TERM)' },
}

export const WHY: Specs = {
  why: { type: 'text', value: 'TEXT', describe: 'what it is for; shown by locks on every host' },
}

export const CONNECTING: Specs = {
  'connect-wait': {
    type: 'text',
    value: 'SECONDS',
    describe: 'wait so long for lamportd to be there at first (cron @reboot)',
  },
}

export const VERBOSE: Specs = {
  verbose: { type: 'flag', alias: ['v'], describe: 'say what happens, on stderr' },
}
