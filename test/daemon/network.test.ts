import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseHosts } from '../../src/daemon/config.ts'
import { createLog } from '../../src/daemon/log.ts'
import { Names } from '../../src/daemon/names.ts'
import { Network } from '../../src/daemon/network.ts'
import type { Refusal } from '../../src/daemon/refusal.ts'
import type { Address } from '../../src/transport/endpoint.ts'
import { until } from '../helpers/daemon-folder.ts'

type Opened = {
  network: Network
  received: { from: Address; text: string }[]
  lines: string[]
  refusals: Refusal[]
  buffers: number[]
}

function open(t: ExecutionContext): Opened {
  const received: Opened['received'] = []
  const lines: string[] = []
  const refusals: Refusal[] = []
  const log = createLog(line => lines.push(line), false)
  const buffers: number[] = []
  const network = new Network(log, {
    bound: receiveBuffer => buffers.push(receiveBuffer),
    receive: (from, bytes) => received.push({ from, text: Buffer.from(bytes).toString() }),
    failed: refusal => refusals.push(refusal),
  })
  t.teardown(() => network.close())
  return { network, received, lines, refusals, buffers }
}

const bytes = new TextEncoder().encode('hello')

test('what one sends the other receives, with the address it came from', async t => {
  const [one, two] = [open(t), open(t)]
  const [a, b] = [
    { ip: '127.0.71.1', port: 7511 },
    { ip: '127.0.71.2', port: 7511 },
  ]
  one.network.bind(a)
  two.network.bind(b)
  one.network.send(b, bytes)
  await until(() => two.received.length === 1)
  t.deepEqual(two.received, [{ from: a, text: 'hello' }])
  t.is(one.network.failedSends, 0)
})

test('the receive buffer that the kernel gave is told, and a small one is warned about', t => {
  const { network, lines, buffers } = open(t)
  network.bind({ ip: '127.0.71.5', port: 7515 })
  const [given] = buffers
  const wanted = 2 * 1024 * 1024
  t.true(given !== undefined && given > 0 && given <= wanted)
  const told = lines.filter(line => line.includes('net.core.rmem_max=1048576'))
  t.is(told.length, given! < wanted ? 1 : 0)
})

test('a datagram too large for any network is lost and counted, and ends nothing', async t => {
  const { network, received } = open(t)
  const address = { ip: '127.0.71.6', port: 7516 }
  network.bind(address)
  // EMSGSIZE: no datagram of IPv4 has 66,000 bytes.
  network.send(address, new Uint8Array(66_000))
  await until(() => network.failedSends === 1)
  network.send(address, bytes)
  await until(() => received.length === 1)
  t.is(received[0]?.text, 'hello')
})

test('an address that is in use is a refusal that says what to look at', t => {
  const [one, two] = [open(t), open(t)]
  const address = { ip: '127.0.71.3', port: 7512 }
  one.network.bind(address)
  two.network.bind(address)
  t.deepEqual(one.refusals, [])
  const refusal = two.refusals[0]
  t.is(refusal?.exitCode, 73)
  t.is(
    refusal?.message,
    "UDP 127.0.71.3:7512 is in use by another program (see ss -ulpn 'sport = 7512'; or write another port: in hosts.yml)",
  )
})

test('an address that the machine does not have is told once, and is waited for', t => {
  const { network, lines, refusals } = open(t)
  // TEST-NET-1 (RFC 5737): no machine has it.
  const address = { ip: '192.0.2.1', port: 7513 }
  network.bind(address)
  network.bind(address)
  t.deepEqual(refusals, [])
  t.deepEqual(lines, [
    'lamportd: UDP 192.0.2.1:7513 cannot be bound: this machine does not have that address ' +
      '(is the network up? is address: in hosts.yml right? trying on)\n',
  ])
  network.send({ ip: '127.0.0.1', port: 7513 }, bytes)
  t.is(network.failedSends, 1)
})

test('what cannot be sent is lost and counted, told once, and ends nothing', async t => {
  const { network, lines } = open(t)
  network.bind({ ip: '127.0.71.4', port: 7514 })
  // From loopback there is no way out of the machine.
  const away = { ip: '192.0.2.1', port: 7514 }
  for (let i = 0; i < 10; i++) network.send(away, bytes)
  await until(() => network.failedSends === 10)
  const told = lines.filter(line => line.includes('packets to 192.0.2.1:7514 are lost'))
  t.is(told.length, 1)
})

function names(
  yaml: string,
  loopbackOnly: boolean,
): { found: string[]; lines: string[]; it: Names } {
  const file = parseHosts(new TextEncoder().encode(`cluster: a\nhosts:\n${yaml}`))
  if ('mistakes' in file) throw new Error(JSON.stringify(file.mistakes))
  const found: string[] = []
  const lines: string[] = []
  const log = createLog(line => lines.push(line), false)
  const it = new Names({ hosts: file.hosts, family: 4, loopbackOnly }, log, {
    isSilent: () => true,
    resolved: ({ name }, ip) => found.push(`${name} ${ip}`),
  })
  return { found, lines, it }
}

test('names are resolved, literals are left alone', async t => {
  const { found, it } = names(
    '  - { id: 1, name: one, address: localhost }\n  - { id: 2, name: two, address: 10.0.0.2 }\n',
    true,
  )
  await until(() => found.length > 0)
  t.deepEqual(found, ['one 127.0.0.1'])
  it.close()
})

test('a name that leads nowhere is told, with what is done about it', async t => {
  const { found, lines, it } = names('  - { id: 1, name: one, address: no.invalid }\n', true)
  await until(() => lines.length > 0)
  t.regex(
    lines[0] ?? '',
    /^lamportd: no\.invalid, the address of one: .+ \(trying on; see address: in hosts\.yml\)\n$/,
  )
  t.deepEqual(found, [])
  it.close()
})
