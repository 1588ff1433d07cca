import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { RawClient } from '../helpers/daemon-client.ts'
import { folderOf } from '../helpers/daemon-folder.ts'
import { DaemonProcess } from '../helpers/daemon-process.ts'

/** A site of one host, on a loopback address of this file's own. */
function site(t: ExecutionContext, port: number, address = '127.0.72.1'): string {
  const folder = folderOf(t)
  const hosts = `cluster: demo\nhosts:\n  - { id: 3, name: solo, address: ${address}, port: ${port} }\n`
  writeFileSync(join(folder, 'hosts.yml'), hosts)
  return folder
}

function args(folder: string, state = 'state', socket = 'run/control.sock'): string[] {
  const at = (name: string): string => join(folder, name)
  return ['--hosts', at('hosts.yml'), '--id', 'solo', '--state', at(state), '--socket', at(socket)]
}

async function end(daemon: DaemonProcess): Promise<[number | NodeJS.Signals, string]> {
  return [await daemon.exited, daemon.stderr]
}

test('a daemon is ready, serves its socket, and leaves cleanly at SIGTERM', async t => {
  const folder = site(t, 7521)
  const daemon = new DaemonProcess(t, args(folder))
  await daemon.said(/ready/)
  const socket = join(folder, 'run/control.sock')
  t.is(
    daemon.stderr.split('\n')[0],
    `lamportd: ready: solo (3) of demo, one of 1, on UDP 127.0.72.1:7521, packets not sealed, control socket ${socket}`,
  )
  t.is(statSync(socket).mode & 0o777, 0o660)
  t.is(statSync(join(folder, 'run')).mode & 0o777, 0o750)
  const client = await RawClient.greeted(socket)
  const token = await client.acquire('door')
  daemon.child.kill('SIGTERM')
  let told = await client.next()
  while (told.method === 'lease') told = await client.next()
  t.deepEqual(told.params, { token, reason: 'this host is leaving' })
  client.close()
  t.is(await daemon.exited, 0)
  t.regex(daemon.stderr, /SIGTERM: leaving/)
  t.false(existsSync(socket))
})

test('a second signal ends it at once, although a client holds a lock', async t => {
  const folder = site(t, 7522)
  writeFileSync(
    join(folder, 'hosts.yml'),
    'cluster: demo\ntiming: { lease: 1m }\nhosts:\n  - { id: 3, name: solo, address: 127.0.72.1, port: 7522 }\n',
  )
  const daemon = new DaemonProcess(t, args(folder))
  await daemon.said(/ready/)
  const client = await RawClient.greeted(join(folder, 'run/control.sock'))
  await client.acquire('door')
  daemon.child.kill('SIGINT')
  await daemon.said(/SIGINT: leaving/)
  daemon.child.kill('SIGINT')
  t.is(await daemon.exited, 0)
})

test('a second daemon on one state folder or one socket is refused, and told by whom', async t => {
  const folder = site(t, 7523)
  const first = new DaemonProcess(t, args(folder))
  await first.said(/ready/)
  const who = `lamportd (process ${first.child.pid}, host solo of demo)`
  const sameState = new DaemonProcess(t, args(folder, 'state', 'other.sock'))
  t.deepEqual(await end(sameState), [
    73,
    `lamportd: the state folder ${folder}/state is in use by ${who} ` +
      '(stop it, or give this one a folder of its own with --state)\n',
  ])
  const sameSocket = new DaemonProcess(t, args(folder, 'other'))
  t.deepEqual(await end(sameSocket), [
    73,
    `lamportd: the control socket ${folder}/run/control.sock is in use by ${who} ` +
      '(stop it, or choose another path with --socket)\n',
  ])
  const sameAddress = new DaemonProcess(t, args(folder, 'other', 'other.sock'))
  const [code, stderr] = await end(sameAddress)
  t.is(code, 73)
  t.regex(stderr, /^lamportd: UDP 127\.0\.72\.1:7523 is in use by another program/)
})

test('what a killed daemon leaves behind does not stop the next one', async t => {
  const folder = site(t, 7524)
  const first = new DaemonProcess(t, args(folder))
  await first.said(/ready/)
  first.child.kill('SIGKILL')
  await first.exited
  t.true(existsSync(join(folder, 'run/control.sock')))
  const second = new DaemonProcess(t, args(folder))
  await second.said(/ready/)
  const client = await RawClient.open(join(folder, 'run/control.sock'))
  t.is((await client.next()).method, 'hello')
})

test('a daemon outlives whoever read its log, and SIGHUP', async t => {
  const folder = site(t, 7531)
  const daemon = new DaemonProcess(t, args(folder))
  await daemon.said(/ready/)
  daemon.child.stderr?.destroy()
  const client = await RawClient.greeted(join(folder, 'run/control.sock'))
  for (let id = 0; id < 3; id++) {
    daemon.child.kill('SIGHUP')
    t.truthy((await client.call(id, 'status')).result)
  }
  daemon.child.kill('SIGTERM')
  t.is(await daemon.exited, 0)
})

test('the environment stands for the options', async t => {
  const folder = site(t, 7525)
  const daemon = new DaemonProcess(t, [], {
    LAMPORT_HOSTS: join(folder, 'hosts.yml'),
    LAMPORT_ID: '3',
    LAMPORT_STATE: join(folder, 'state'),
    LAMPORT_SOCKET: join(folder, 'c.sock'),
  })
  await daemon.said(/ready: solo/)
  t.true(existsSync(join(folder, 'c.sock')))
})

test('an address that the machine lacks does not keep the socket from answering', async t => {
  const folder = site(t, 7526, '192.0.2.1')
  const daemon = new DaemonProcess(t, args(folder), { LAMPORT_INSECURE: '1' })
  await daemon.said(/ready/)
  t.regex(daemon.stderr, /packets are not sealed/)
  t.regex(daemon.stderr, /UDP 192\.0\.2\.1:7526 cannot be bound: this machine does not have/)
  const client = await RawClient.greeted(join(folder, 'run/control.sock'))
  t.truthy((await client.call(1, 'status')).result)
})

test('a name is resolved and bound', async t => {
  const folder = site(t, 7527, 'localhost')
  const daemon = new DaemonProcess(t, args(folder))
  await daemon.said(/on UDP localhost:7527/)
  // Looked up, not tried: a socket of ours would keep the daemon from its address.
  const bound = `0100007F:${(7527).toString(16).toUpperCase()}`
  while (!readFileSync('/proc/net/udp', 'utf8').includes(bound)) {
    if (daemon.child.exitCode !== null) throw new Error(daemon.stderr)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  t.pass()
})

test('beyond loopback it starts only with a key, or if told to do without', async t => {
  const folder = site(t, 7528, '192.0.2.1')
  t.deepEqual(await end(new DaemonProcess(t, args(folder))), [
    78,
    `lamportd: ${folder}/hosts.yml: not on loopback: solo; and there is no key to seal packets with: ` +
      'whoever is on the network could take part (make one: lamportctl keygen; LAMPORT_INSECURE=1 starts without)\n',
  ])
})

test('mistakes of hosts.yml come one a line, as FILE:LINE:COLUMN, and exit 78', async t => {
  const folder = folderOf(t)
  const path = join(folder, 'hosts.yml')
  writeFileSync(path, 'cluster: A\nhosts:\n  - { id: 1, name: one, address: 127.0.0.1, vote: 1 }\n')
  for (const more of [[], ['--check']]) {
    t.deepEqual(await end(new DaemonProcess(t, ['--hosts', path, ...more])), [
      78,
      `${path}:1:10: cluster "A" is not a cluster name (write 1 to 63 of a-z, 0-9 and -)\n` +
        `${path}:3:45: unknown key "vote" (write votes)\n` +
        `lamportd: 2 mistakes in ${path} (lamportd --check looks again)\n`,
    ])
  }
  const missing = join(folder, 'none.yml')
  t.deepEqual(await end(new DaemonProcess(t, ['--hosts', missing])), [
    78,
    `lamportd: the hosts file ${missing} cannot be read: it does not exist (write it, or name another with --hosts)\n`,
  ])
})

test('--check says what is right and warns of what can still go wrong', async t => {
  const folder = site(t, 7529, '10.0.0.1')
  const path = join(folder, 'hosts.yml')
  const daemon = new DaemonProcess(t, ['--check', '--hosts', path])
  t.deepEqual(await end(daemon), [
    0,
    `lamportd: ${path}: solo is alone: if it stops, every lock stops (add two hosts, however small)\n` +
      `lamportd: ${path}: not on loopback: solo; and there is no key to seal packets with: whoever is on the network could take part (make one: lamportctl keygen; LAMPORT_INSECURE=1 starts without)\n`,
  ])
  t.is(daemon.stdout, `${path}: no mistake (hosts: 1, votes: 1, of which 1 are a majority)\n`)
})

test('a key file that others can read is refused', async t => {
  const folder = site(t, 7530)
  const key = join(folder, 'cluster.key')
  writeFileSync(key, Buffer.alloc(32).toString('base64'), { mode: 0o644 })
  t.deepEqual(await end(new DaemonProcess(t, [...args(folder), '--key', key])), [
    78,
    `lamportd: ${key} is open to everybody (chmod 640 ${key})\n`,
  ])
})

test('a command line that is wrong exits 64, --help and --version exit 0', async t => {
  t.deepEqual(await end(new DaemonProcess(t, ['--sate', 'x'])), [
    64,
    'lamportd: Unknown argument: sate (see lamportd --help)\n',
  ])
  for (const wrong of [['start'], ['--id'], ['--id', '']]) {
    t.is(await new DaemonProcess(t, wrong).exited, 64, wrong.join(' '))
  }
  for (const [right, pattern] of [
    ['--help', /--hosts/],
    ['--version', /^\d+\.\d+\.\d+/],
  ] as const) {
    const daemon = new DaemonProcess(t, [right])
    t.is(await daemon.exited, 0)
    t.regex(daemon.stdout, pattern)
  }
})
