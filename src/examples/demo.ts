// `npm run demo`: three hosts on this machine, at work before your eyes.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DemoError, lamportctlHere, Site, type DemoHost } from './site.ts'

const EX_USAGE = 64

/** Of lamportctl, where the lock was lost while the command ran. */
const EX_LOST = 75

/** How often each host increments the counter. */
const ROUNDS = 4

/** How long each holds the lock, so that the others are seen to wait. */
const HOLD_SECONDS = 0.1

/** How long the command runs whose client is killed. */
const ORPHAN_SECONDS = 2

/** Not atomic by itself: it is the lock that keeps the hosts from overwriting each other's work. */
const INCREMENT = `
read -r n < counter
echo "$LAMPORT_LOCK_TOKEN $n"
sleep ${HOLD_SECONDS}
echo $((n + 1)) > counter
echo "$LAMPORT_LOCK_TOKEN $LAMPORT_HOST" >> order`

/** Nobody waits longer than that for a lock: where a host has died, the demo says so. */
const WAIT = ['-w', '30']

const USAGE = `usage: npm run demo [-- --once]
  --once  end by itself; else the hosts run on for you to try, until Ctrl-C
  LAMPORT_HOSTS=FILE chooses another hosts file (all hosts on loopback)`

/** The time since the start, in front of what happens. */
const started = performance.now()

function say(text = ''): void {
  process.stdout.write(`${text}\n`)
}

function tell(host: DemoHost, what: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(2)
  say(`  ${seconds.padStart(5)} s  ${host.name.padEnd(8)} ${what}`)
}

async function startHosts(site: Site): Promise<void> {
  const count = site.hosts.length
  say(`1. ${count} hosts start: a lamportd process each, on this machine's loopback. No server:`)
  say('   they agree among themselves, over UDP.\n')
  await site.start((host, how) => tell(host, `its lamportd has ended (${how})`))
  for (const host of site.hosts) tell(host, `is up on ${host.address}, and knows the others`)
}

async function contend(site: Site): Promise<void> {
  const total = ROUNDS * site.hosts.length
  say('\n2. All of them want the lock "door" at once. Who holds it adds 1 to a counter in a file:')
  say('   it reads the file, takes its time, and writes. Each entry has a token that only rises.\n')
  const counter = join(site.folder, 'counter')
  writeFileSync(counter, '0\n')
  await Promise.all(site.hosts.map(host => incrementRepeatedly(site, host)))
  const count = Number(readFileSync(counter, 'utf8'))
  const order = readFileSync(join(site.folder, 'order'), 'utf8').trim().split('\n')
  const tokens = order.map(line => Number(line.split(' ')[0]))
  const rises = tokens.every((token, i) => i === 0 || token > (tokens[i - 1] ?? Infinity))
  if (count !== total || tokens.length !== total) {
    throw new DemoError(`an update was lost: the counter is ${count} after ${total} increments`)
  }
  if (!rises) throw new DemoError(`a token did not rise: ${tokens.join(' ')}`)
  say(
    `\n   The counter is ${count} after ${total} increments: no update was lost, never were two in`,
  )
  say(`   at once. The token rose each time, from ${tokens[0]} to ${tokens.at(-1)}: storage that`)
  say('   refuses a lower token than it has seen is safe even from a holder that was frozen.')
}

async function incrementRepeatedly(site: Site, host: DemoHost): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const run = site.lock(host, [...WAIT, 'door', '-c', INCREMENT])
    let wasTold = false
    run.onEvent = ({ event, position }) => {
      if (event !== 'queued' || wasTold) return
      wasTold = true
      tell(host, `waits: ${position ?? 0} before it`)
    }
    run.onLine = line => {
      const [token, n] = line.split(' ')
      tell(host, `holds "door", token ${token}: counter ${n} → ${Number(n) + 1}`)
    }
    const code = await run.exited
    if (code !== 0) throw new DemoError(`lock on ${host.name}: exit ${code}\n${run.complaints}`)
  }
}

async function killClient(site: Site, [first, second]: readonly DemoHost[]): Promise<void> {
  if (first === undefined || second === undefined) return
  say(
    `\n3. A client is killed (SIGKILL) while its command runs, for ${ORPHAN_SECONDS} s. The lock belongs to`,
  )
  say('   the command, not to the client: it stays until the command has ended.\n')
  const script = `echo $$; sleep ${ORPHAN_SECONDS}; touch finished`
  const holder = site.lock(first, [...WAIT, 'door', '-c', script])
  const command = await new Promise<string>((resolve, reject) => {
    holder.onLine = resolve
    const early = (): void => reject(new DemoError(`lock on ${first.name}\n${holder.complaints}`))
    void holder.exited.then(early)
  })
  tell(first, `holds "door"; its command is process ${command}`)
  site.killClient(holder, Number(command))
  tell(first, 'its lamportctl is killed; the command runs on')
  const next = site.lock(second, [...WAIT, 'door', '-c', 'test -e finished'])
  const queued = new Promise<void>(resolve => (next.onEvent = () => resolve()))
  await Promise.race([queued, next.exited])
  tell(second, 'wants "door" and waits. What `lamportctl locks` says:\n')
  for (const line of (await site.ask(first, 'locks', 'door')).trimEnd().split('\n')) {
    say(`     ${line}`)
  }
  say()
  const code = await next.exited
  if (code !== 0) {
    const what = code === 1 ? 'was let in while the command ran' : `exit ${code}`
    throw new DemoError(`lock on ${second.name}: ${what}\n${next.complaints}`)
  }
  tell(second, 'got "door", after the command had ended')
}

async function killHost(site: Site, [first, , third]: readonly DemoHost[]): Promise<void> {
  if (first === undefined || third === undefined) return
  say(
    `\n4. A box dies while it holds the lock: lamportd on ${third.name} is killed. The others cannot`,
  )
  say('   know whether its command still runs, so they wait until its lease has ended; lamportctl')
  say('   on the dead host stops the command before that, by its own clock.\n')
  const holder = site.lock(third, [...WAIT, 'door', '-c', 'echo in; sleep 60'])
  await new Promise<void>((resolve, reject) => {
    holder.onLine = () => resolve()
    const early = (): void => reject(new DemoError(`lock on ${third.name}\n${holder.complaints}`))
    void holder.exited.then(early)
  })
  tell(third, 'holds "door"')
  const next = site.lock(first, [...WAIT, 'door', '-c', 'echo in'])
  next.onLine = () => tell(first, 'got "door": the others have gone on without the dead host')
  await new Promise<void>(resolve => (next.onEvent = () => resolve()))
  await site.killHost(third)
  tell(third, 'its lamportd is killed (SIGKILL)')
  const lost = await holder.exited
  tell(third, `its command was stopped; lamportctl exits ${lost}`)
  if (lost !== EX_LOST) throw new DemoError(`a lost lock ends with ${EX_LOST}, not ${lost}`)
  const code = await next.exited
  if (code !== 0) throw new DemoError(`lock on ${first.name}: exit ${code}\n${next.complaints}`)
  site.restart(third)
  const back = site.lock(third, ['--connect-wait', '10', ...WAIT, 'door', 'true'])
  const isBack = (await back.exited) === 0
  if (!isBack) throw new DemoError(`${third.name} did not come back\n${back.complaints}`)
  tell(third, 'has started again, and locks like the others')
}

async function shareVariable(site: Site): Promise<void> {
  say('\n5. A variable is set on one host, and every host has it; it is on the disks of a majority')
  say('   before it is acknowledged.\n')
  for (const [speed, writer] of site.hosts.entries()) {
    await site.ask(writer, 'set', 'fan/speed', String(speed))
    tell(writer, `sets fan/speed to ${speed}`)
  }
  for (const host of site.hosts) {
    tell(host, `has fan/speed ${await site.ask(host, 'get', 'fan/speed')}`)
  }
}

function handOver(site: Site): void {
  const [first, second = first] = site.hosts
  if (first === undefined || second === undefined) return
  const ctl = (host: DemoHost, rest: string): string =>
    `   ${lamportctlHere} --socket ${site.socket(host)} ${rest}`
  say('\n6. Your turn: the hosts run on. In another terminal, in this folder:\n')
  say(ctl(first, 'lock door -- sleep 10'))
  say(ctl(second, 'lock -v door -- echo in'))
  say(ctl(second, 'locks'))
  say(ctl(first, 'set fan/speed 12'))
  say(ctl(second, 'get fan/speed'))
  say(ctl(first, 'status'))
  say('\n   Ctrl-C here stops the hosts and removes what they wrote.')
}

async function main(): Promise<number> {
  const isOnce = readArguments()
  if (isOnce === undefined) return EX_USAGE
  const given = process.env.LAMPORT_HOSTS
  const own = fileURLToPath(new URL('../../../hosts.yml', import.meta.url))
  const site = new Site(given === undefined || given === '' ? own : resolve(given))
  const stopped = new Promise<NodeJS.Signals | 'EPIPE'>(done => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, done)
    process.stdout.on('error', () => done('EPIPE'))
  })
  try {
    const played = play(site, isOnce).then(() => undefined)
    // Where a signal is first, what becomes of the scene is nobody's news.
    played.catch(() => undefined)
    const end = await Promise.race([stopped, played])
    if (end !== undefined) throw new DemoError(`stopped by ${end} before the end`)
    if (!isOnce) await stopped
  } finally {
    await site.stop()
  }
  say(`${isOnce ? '\n' : ''}Every process has ended, and ${site.folder} is removed.`)
  return 0
}

async function play(site: Site, isOnce: boolean): Promise<void> {
  await startHosts(site)
  await contend(site)
  await killClient(site, site.hosts)
  await killHost(site, site.hosts)
  await shareVariable(site)
  if (!isOnce) handOver(site)
}

function readArguments(): boolean | undefined {
  try {
    const { values } = parseArgs({ options: { once: { type: 'boolean' } } })
    return values.once ?? false
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : ''}\n${USAGE}\n`)
    return undefined
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof DemoError)) throw error
  process.stderr.write(`\ndemo: ${error.message}\n`)
  process.exitCode = 1
}
