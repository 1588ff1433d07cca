import test from 'ava'
import { table } from '../../src/ctl/table.ts'
import { waitingText } from '../../src/ctl/lock/waiting-line.ts'
import { cutEnd, width } from '../../src/ctl/width.ts'
import type { HolderEntry, WhyResult } from '../../src/control/protocol.ts'
import { FakeDaemon, type Heard } from '../helpers/fake-daemon.ts'
import { lamportctl, LAMPORTCTL, type Running } from '../helpers/lamportctl.ts'

const HOLDER: HolderEntry = {
  host: 'attic',
  hostId: 3,
  token: 4099,
  mode: 'exclusive',
  limit: 1,
  user: 'pi',
  command: 'rsync -a /home nas:',
  sinceMs: 65_000,
}

function why(more: Partial<WhyResult> = {}): WhyResult {
  const reasons = ['held by attic (3) for 65.0 s', '1 waiting']
  return { name: 'door', reasons, holders: [HOLDER], waiters: [], ...more }
}

/** A daemon that answers `why`, and all else as the test says. */
async function daemonOf(answer: () => WhyResult): Promise<FakeDaemon> {
  const serve = (heard: Heard): boolean => {
    if (heard.method !== 'why') return false
    daemon.answer(heard, answer())
    return true
  }
  const daemon: FakeDaemon = await FakeDaemon.start({ serve })
  return daemon
}

/** In a terminal of its own: script(1) has one to give, and shows on stdout what is written to it. */
function inTerminal(
  daemon: FakeDaemon,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const line = [process.execPath, LAMPORTCTL, ...args].map(each => `'${each}'`).join(' ')
  return lamportctl([], {
    socket: daemon.path,
    env: { TERM: 'xterm', NO_COLOR: '', FORCE_COLOR: '', ...env },
    via: ['script', '-qec', line, '/dev/null'],
  })
}

test('columns are counted as terminals give them', t => {
  const texts: readonly (readonly [string, number])[] = [
    ['', 0],
    ['abc', 3],
    ['Küche', 5],
    ['Ku\u0308che', 5],
    ['厨房', 4],
    ['ｶﾞ', 2],
    ['한국', 4],
    ['🔒', 2],
    ['✅', 2],
    ['❤', 1],
    ['❤\ufe0f', 2],
    ['👩‍👩‍👧', 2],
    ['🇩🇪', 2],
    ['1\ufe0f\u20e3', 2],
    ['a\u200bb', 2],
    ['…', 1],
  ]
  for (const [text, columns] of texts) t.is(width(text), columns, text)
  t.is(cutEnd('厨房🔒', 5), '厨房…')
  t.is(cutEnd('厨房🔒', 4), '厨…')
  t.is(cutEnd('abc', 3), 'abc')
})

test('a table is aligned whatever stands in it, and coloured where that is seen', t => {
  const rows = [
    ['厨房', { text: 'held', colour: 'green' as const }, ''],
    ['a', 'b', 'c'],
  ]
  t.is(table(rows), '厨房  held\na     b     c')
  t.is(table(rows, true), '厨房  \u001b[32mheld\u001b[0m\na     b     c')
})

test('a wait says how many precede, who holds it, since when, what for, and what is wrong', t => {
  const us = { host: 'garage', pid: 7 }
  const waiter = { ...HOLDER, host: 'garage', hostId: 2, pid: 7, position: 2 }
  t.is(
    waitingText(why({ waiters: [waiter] }), us),
    'waiting for door: 2 before us; held by pi on attic for 65 s (rsync -a /home nas:)',
  )
  const { user, ...nobody } = HOLDER
  t.is(user, 'pi')
  t.is(
    waitingText(why({ holders: [{ ...nobody, why: 'nightly' }, HOLDER] }), us),
    'waiting for door: held by attic for 65 s (nightly) and 1 more',
  )
  const reason = 'no majority of votes: attic (3) not heard for 5.0 s (bring one of them back)'
  t.is(
    waitingText({ name: 'door', reasons: [reason], holders: [], waiters: [] }, us),
    `waiting for door: ${reason}`,
  )
})

test('on a terminal a wait is one line, drawn anew and gone before the command begins', async t => {
  let asked = 0
  const daemon = await daemonOf(() =>
    why({ holders: [{ ...HOLDER, sinceMs: 60_000 + 1000 * asked++ }] }),
  )
  t.teardown(() => daemon.stop())
  const started = performance.now()
  const running = inTerminal(daemon, ['lock', 'door', 'echo', 'now mine'])
  const heard = await daemon.next('acquire')
  await running.says(/held by pi on attic for 62 s/)
  const seconds = (performance.now() - started) / 1000
  t.true(asked <= 4 * seconds, `${asked} times in ${seconds} s`)
  daemon.grant(heard)
  t.is(await running.ended, 0)
  t.regex(running.stdout, /^\r\u001b\[Kwaiting for door: held by pi on attic for 60 s/)
  t.regex(running.stdout, /\r\u001b\[Know mine\r\n$/)
  t.notRegex(running.stdout.slice(0, -'now mine\r\n'.length), /\n/)
})

test('a wait that is given up leaves an empty line', async t => {
  const daemon = await daemonOf(why)
  t.teardown(() => daemon.stop())
  const running = inTerminal(daemon, ['lock', '-w', '5', 'door', 'true'])
  const heard = await daemon.next('acquire')
  await running.says(/waiting for door/)
  daemon.refuse(heard, 'notAcquired', 'others precede')
  t.is(await running.ended, 1)
  t.regex(running.stdout, /\r\u001b\[K$/)
})

test('no such line in a pipe, with --json, on a dumb terminal, or for a short wait', async t => {
  const daemon = await daemonOf(why)
  t.teardown(() => daemon.stop())
  const args = ['lock', 'door', 'true']
  const all = [
    lamportctl(args, { socket: daemon.path }),
    inTerminal(daemon, args, { TERM: 'dumb' }),
    inTerminal(daemon, ['lock', '--json', 'door', 'true']),
  ]
  const heard = await Promise.all(all.map(() => daemon.next('acquire')))
  await new Promise(resolve => setTimeout(resolve, 1500))
  for (const each of heard) daemon.grant(each)
  t.deepEqual(await Promise.all(all.map(running => running.ended)), [0, 0, 0])
  const short = inTerminal(daemon, args)
  daemon.grant(await daemon.next('acquire'))
  t.is(await short.ended, 0)
  for (const running of [...all, short]) {
    t.notRegex(running.stdout + running.stderr, /waiting|\u001b/)
  }
  t.is(daemon.heard.filter(({ method }) => method === 'why').length, 0)
})

test('colours are for a terminal that has not declined them', async t => {
  const daemon = await daemonOf(why)
  t.teardown(() => daemon.stop())
  const locks = [{ name: 'door', holders: [HOLDER], waiters: [] }]
  const show = async (running: Running): Promise<string> => {
    daemon.answer(await daemon.next('locks'), locks)
    t.is(await running.ended, 0)
    return running.stdout
  }
  t.true((await show(inTerminal(daemon, ['locks']))).includes('\u001b[32mheld\u001b[0m'))
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    t.false((await show(inTerminal(daemon, ['locks'], env))).includes('\u001b'))
  }
  t.false((await show(lamportctl(['locks'], { socket: daemon.path }))).includes('\u001b'))
  t.false((await show(inTerminal(daemon, ['--json', 'locks']))).includes('\u001b'))
})
