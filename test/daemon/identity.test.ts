import test from 'ava'
import { formatAddress, isLoopback, parsePlace } from '../../src/daemon/address.ts'
import { parseHosts } from '../../src/daemon/config.ts'
import type { HostsFile } from '../../src/daemon/config.ts'
import { chooseHost, hostsBeyondLoopback, thisMachine } from '../../src/daemon/identity.ts'
import { majorityWarnings } from '../../src/daemon/majority.ts'
import { nearest } from '../../src/lib/nearest.ts'

function file(...lines: string[]): HostsFile {
  const text = ['cluster: a', 'hosts:', ...lines.map(line => `  - { ${line} }`)].join('\n')
  const hosts = parseHosts(new TextEncoder().encode(text))
  if ('mistakes' in hosts) throw new Error(JSON.stringify(hosts.mistakes))
  return hosts
}

const three = file(
  'id: 1, name: kitchen, address: 10.0.0.1',
  'id: 2, name: garage, address: 10.0.0.2',
  'id: 10, name: attic, address: attic.local',
)

function choose(asked: string | undefined, hostname: string, ...ips: string[]): string {
  const host = chooseHost(three, asked, { hostname, ips: new Set(ips) })
  return 'problem' in host ? host.problem : host.name
}

test('a host is chosen by id or name, else by hostname, else by address', t => {
  t.is(choose('2', 'kitchen'), 'garage')
  t.is(choose('Attic', 'kitchen'), 'attic')
  t.is(choose(undefined, 'kitchen', '10.0.0.2'), 'kitchen')
  t.is(choose(undefined, 'Kitchen.lan'), 'kitchen')
  t.is(choose(undefined, 'attic.local'), 'attic')
  t.is(choose(undefined, 'pi', '127.0.0.1', '10.0.0.2'), 'garage')
})

test('where the choice is not clear, the choices are told', t => {
  const choices = '1 or kitchen, 2 or garage, 10 or attic'
  t.is(choose('3', 'kitchen'), `no host "3" in the file (choose --id ${choices})`)
  t.is(
    choose(undefined, 'pi', '127.0.0.1'),
    `which host is this? no host has the name pi or an address of this machine (say so: --id ${choices})`,
  )
  t.is(
    choose(undefined, 'pi', '10.0.0.1', '10.0.0.2'),
    `which host is this? several hosts have an address of this machine (say so: --id ${choices})`,
  )
})

test('this machine has a name and is itself', t => {
  const machine = thisMachine()
  t.true(machine.hostname.length > 0)
  t.true(machine.ips.has('127.0.0.1') || machine.ips.has('::1'))
})

test('hosts beyond loopback are found, by address and by bind', t => {
  const names = (hosts: HostsFile): string[] => hostsBeyondLoopback(hosts).map(({ name }) => name)
  t.deepEqual(names(three), ['kitchen', 'garage', 'attic'])
  const local = file(
    'id: 1, name: a, address: 127.0.0.1',
    'id: 2, name: b, address: 127.9.9.9',
    'id: 3, name: c, address: localhost',
    'id: 4, name: d, address: 127.0.0.4, bind: 0.0.0.0',
  )
  t.deepEqual(names(local), ['d'])
  t.deepEqual(names(file('id: 1, name: a, address: "::1"')), [])
})

test('addresses are read as people write them', t => {
  t.deepEqual(parsePlace('Attic.LOCAL'), { type: 'name', name: 'attic.local' })
  t.deepEqual(parsePlace('[::1]:7411'), {
    wrong: 'address [::1]:7411 has a port in it (write ::1, and port: 7411)',
  })
  t.true('wrong' in parsePlace('192.168.001.021'))
  t.true('wrong' in parsePlace('-a.b'))
  t.true('wrong' in parsePlace('a..b'))
  t.true(isLoopback({ type: 'name', name: 'pi.localhost' }))
  t.false(isLoopback({ type: 'name', name: 'mylocalhost' }))
  t.is(formatAddress('::1', 7), '[::1]:7')
})

test('--check names each host without which there is no majority', t => {
  const votes = (...list: number[]): HostsFile =>
    file(
      ...list.map(
        (each, i) => `id: ${i + 1}, name: h${i + 1}, address: 10.0.0.${i + 1}, votes: ${each}`,
      ),
    )
  t.deepEqual(majorityWarnings(votes(1, 1, 1)), [])
  t.deepEqual(majorityWarnings(votes(1)), [
    'h1 is alone: if it stops, every lock stops (add two hosts, however small)',
  ])
  t.deepEqual(majorityWarnings(votes(1, 2)), [
    'if h2 stops, every lock stops: the others have 1 of 3 votes (add a host, however small)',
  ])
  t.deepEqual(majorityWarnings(votes(3, 1, 1)), [
    'if h1 stops, every lock stops: the others have 2 of 5 votes (add a host, however small)',
  ])
})

test('--check tells of an even split: half of the votes on either side of a cut', t => {
  const warned = (...list: number[]): boolean =>
    majorityWarnings(
      file(
        ...list.map(
          (each, i) => `id: ${i + 1}, name: h${i + 1}, address: 10.0.0.${i + 1}, votes: ${each}`,
        ),
      ),
    ).some(text => text.includes('a network cut can leave'))
  t.true(warned(1, 1))
  t.true(warned(1, 1, 1, 1))
  t.true(warned(2, 1, 1))
  t.false(warned(1, 1, 1))
  t.false(warned(4, 1, 1))
  t.false(warned(1, 1, 1, 1, 1))
})

test('a slip of the finger finds what was meant, and nothing else does', t => {
  t.is(nearest('adress', ['address', 'port']), 'address')
  t.is(nearest('naem', ['name', 'id']), 'name')
  t.is(nearest('wait', ['waitMs']), 'waitMs')
  t.is(nearest('zebra', ['name', 'id']), undefined)
  t.is(nearest('', ['id']), undefined)
})
