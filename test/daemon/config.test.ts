import test from 'ava'
import fc from 'fast-check'
import { formatMistake, nodeConfig, parseHosts } from '../../src/daemon/config.ts'
import type { HostsFile } from '../../src/daemon/config.ts'

function read(text: string | Uint8Array): HostsFile | readonly string[] {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  const file = parseHosts(bytes)
  return 'mistakes' in file ? file.mistakes.map(mistake => formatMistake('f', mistake)) : file
}

function right(text: string): HostsFile {
  const file = read(text)
  if ('cluster' in file) return file
  throw new Error(file.join('\n'))
}

/** A hosts.yml with these lines for hosts. */
function hosts(...lines: string[]): string {
  return ['cluster: a', 'hosts:', ...lines.map(line => `  - ${line}`)].join('\n') + '\n'
}

const one = '{ id: 1, name: one, address: 10.0.0.1 }'
const two = '{ id: 2, name: two, address: 10.0.0.2 }'

function many(count: number): string[] {
  return Array.from(
    { length: count },
    (_, index) => `{ id: ${index + 1}, name: h${index + 1}, address: 10.0.1.${index + 1} }`,
  )
}

test('a hosts file says who is who, and the rest has defaults', t => {
  const { places, ...file } = right(
    hosts('{ id: 10, name: ten, address: 10.0.0.9, port: 7412, votes: 2 }', two),
  )
  t.deepEqual([...places.keys()], ['host 10', 'host 2'])
  t.deepEqual(file, {
    cluster: 'a',
    key: undefined,
    limits: {
      connections: 1024,
      requests: 10_000,
      variables: { names: 20_000, bytes: 64 * 1024 * 1024 },
    },
    timing: { heartbeat: 150, suspect: 1200, lease: 2000, drift: 0.02 } as HostsFile['timing'],
    hosts: [
      {
        id: 2,
        name: 'two',
        place: { type: 'literal', ip: '10.0.0.2', family: 4 },
        port: 7411,
        votes: 1,
        bind: undefined,
      },
      {
        id: 10,
        name: 'ten',
        place: { type: 'literal', ip: '10.0.0.9', family: 4 },
        port: 7412,
        votes: 2,
        bind: undefined,
      },
    ],
  })
})

test('the repository’s own form, with all keys, comments and anchors, is taken', t => {
  const file = right(`# ours
cluster: workshop-1
port: &port 8000
key: cluster.key
timing: { heartbeat: 100 ms, suspect: 1.5s, lease: 1m, drift: 0.5% }
hosts:
  - { id: 1, name: kitchen, address: attic.local., bind: 0.0.0.0 }
  - id: 2
    name: Garage.lan
    address: 192.168.1.22
    port: *port
    votes: 0
`)
  t.is(file.key, 'cluster.key')
  t.deepEqual(Object.values(file.timing), [100, 1500, 60_000, 0.005])
  t.deepEqual(file.hosts[0]?.place, { type: 'name', name: 'attic.local.' })
  t.is(file.hosts[0]?.bind, '0.0.0.0')
  t.is(file.hosts[1]?.port, 8000)
})

test('IPv6 addresses are spelled as the kernel spells them', t => {
  const file = right(
    hosts(
      '{ id: 1, name: one, address: "2001:DB8:0::0001" }',
      '{ id: 2, name: two, address: "FE80::1%eth0", bind: "::" }',
    ),
  )
  const ips = file.hosts.map(({ place }) => (place.type === 'literal' ? place.ip : ''))
  t.deepEqual(ips, ['2001:db8::1', 'fe80::1%eth0'])
})

test('a node is given literal addresses at once and names later', t => {
  const file = right(hosts(one, '{ id: 2, name: two, address: two.local }'))
  const config = nodeConfig(file, file.hosts[0]!)
  t.is(config.self, 1)
  t.deepEqual(
    config.hosts.map(({ address }) => address),
    [{ ip: '10.0.0.1', port: 7411 }, undefined],
  )
})

test('above 15 hosts heartbeats are rarer, and suspect and lease stretch with them', t => {
  const timing = (text: string): unknown => Object.values(right(text).timing).slice(0, 3)
  t.deepEqual(timing(hosts(...many(15))), [150, 1200, 2000])
  t.deepEqual(timing(hosts(...many(30))), [300, 2400, 4000])
  t.deepEqual(timing(hosts(...many(30)) + 'timing: { suspect: 2s }'), [300, 2000, 4000])
  t.deepEqual(timing(hosts(...many(30)) + 'timing: { heartbeat: 100ms }'), [100, 1200, 2000])
})

const nth = (count: number): string[] => many(count).slice(2)

const mistakes: Record<string, readonly [text: string, ...expected: string[]]> = {
  'no YAML': [
    'cluster: a\nhosts: [ {a: 1, ]\n',
    'f:2:17: this is not YAML: Flow map in block collection must be sufficiently indented and end with a } (mend it; the rest was not read)',
    'f:2:18: this is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ] (mend it; the rest was not read)',
  ],
  empty: ['', 'f:1:1: the file is empty (write cluster: and hosts:)'],
  'comments alone': ['# a\n', 'f:1:1: the file is empty (write cluster: and hosts:)'],
  'no map': [
    '\n- a\n',
    'f:2:1: the file is a list (write a map: cluster, port, key, timing, limits, hosts)',
  ],
  'unknown key': [
    hosts(one) + 'prot: 3\nzebra: 1\n',
    'f:4:1: unknown key "prot" (write port)',
    'f:5:1: unknown key "zebra" (known here: cluster, port, key, timing, limits, hosts)',
  ],
  'doubled key': [
    hosts(one) + 'cluster: b\n',
    'f:4:1: cluster is given twice, first in line 1 (keep one)',
  ],
  'nothing but a key': [
    'port: 1\n',
    'f:1:1: cluster is missing (write cluster: and a name, such as workshop)',
    'f:1:1: hosts is missing (write hosts: and a line a host: - { id: 1, name: kitchen, address: 192.168.1.21 })',
  ],
  'bad cluster': [
    hosts(one).replace('cluster: a', 'cluster: Work Shop'),
    'f:1:10: cluster "Work Shop" is not a cluster name (write 1 to 63 of a-z, 0-9 and -)',
  ],
  'cluster that is a number': [
    hosts(one).replace('cluster: a', 'cluster: 12'),
    'f:1:10: cluster is 12 (write it in quotes if that is meant, or like workshop)',
  ],
  'bad port': [
    hosts('{ id: 1, name: one, address: 10.0.0.1, port: 0 }') + 'port: 70000\n',
    'f:3:50: port is 0 (write a whole number from 1 to 65535)',
    'f:4:7: port is 70000 (write a whole number from 1 to 65535)',
  ],
  'bad ids': [
    hosts(
      '{ id: 0, name: one, address: 10.0.0.1 }',
      '{ id: "2", name: two, address: 10.0.0.2 }',
      '{ id: 1024, name: three, address: 10.0.0.3 }',
      '{ id: 1.5, name: four, address: 10.0.0.4 }',
      '{ id: , name: five, address: 10.0.0.5 }',
      '{ name: six, address: 10.0.0.6 }',
    ),
    'f:3:11: id is 0 (write a whole number from 1 to 1023)',
    'f:4:11: id is "2" (write a whole number from 1 to 1023, without quotes)',
    'f:5:11: id is 1024 (write a whole number from 1 to 1023)',
    'f:6:11: id is 1.5 (write a whole number from 1 to 1023)',
    'f:7:11: id is empty (write a whole number from 1 to 1023)',
    'f:8:5: id is missing (write id: and a number, unique and never used before)',
  ],
  'doubled id and name': [
    hosts(one, '{ id: 1, name: One, address: 10.0.0.2 }'),
    'f:4:11: id 1 is taken in line 3 (give each host an id of its own, one never used before)',
    'f:4:20: name One is taken in line 3 (give each host a name of its own)',
  ],
  'bad names': [
    hosts(
      '{ id: 1, name: a b, address: 10.0.0.1 }',
      '{ id: 2, name: "22", address: 10.0.0.2 }',
      '{ id: 3, name: yes/no, address: 10.0.0.3 }',
      '{ id: 4, name: 7, address: 10.0.0.4 }',
      '{ id: 5, address: 10.0.0.5 }',
    ),
    'f:3:20: name "a b" is not a host name (write 1 to 63 letters, digits, ".", "_" and "-", not digits alone)',
    'f:4:20: name "22" is not a host name (write 1 to 63 letters, digits, ".", "_" and "-", not digits alone)',
    'f:5:20: name "yes/no" is not a host name (write 1 to 63 letters, digits, ".", "_" and "-", not digits alone)',
    'f:6:20: name is 7 (write it in quotes if that is meant, or like kitchen)',
    'f:7:5: name is missing (write name: and what you call this host)',
  ],
  'bad addresses': [
    hosts(
      '{ id: 1, name: one }',
      '{ id: 2, name: two, address: 10.0.0.256 }',
      '{ id: 3, name: three, address: "10.0.0.3:7412" }',
      '{ id: 4, name: four, address: "2001::g" }',
      '{ id: 5, name: five, address: 0.0.0.0 }',
      '{ id: 6, name: six, address: 224.0.0.1 }',
      '{ id: 7, name: seven, address: a b }',
      '{ id: 8, name: eight, address: 10.1 }',
      '{ id: 9, name: nine, address: 10.0.0.9, bind: nine.local }',
    ),
    'f:3:5: address is missing (write address: and an IPv4 or IPv6 address or a host name)',
    'f:4:34: address 10.0.0.256 is not an IPv4 address (write four numbers of 0 to 255)',
    'f:5:36: address 10.0.0.3:7412 has a port in it (write 10.0.0.3, and port: 7412)',
    'f:6:35: address "2001::g" is not an IPv6 address (write 2001:db8::1)',
    'f:7:35: address 0.0.0.0 means "all interfaces" and is nobody’s address (write the host\'s own address)',
    "f:8:34: address 224.0.0.1 is a multicast or broadcast address (write the host's own address)",
    'f:9:36: "a b" is not an address (write an IPv4 or IPv6 address or a host name)',
    'f:10:36: address is 10.1 (write it in quotes if that is meant, or like 192.168.1.21)',
    'f:11:51: bind "nine.local" is not an address (write an IPv4 or IPv6 address of that host; 0.0.0.0 or :: is all of them)',
  ],
  'one address and port twice': [
    hosts(one, '{ id: 2, name: two, address: 10.0.0.1, port: 7411 }'),
    'f:4:50: address 10.0.0.1:7411 is taken in line 3 (give each host an address, or a port: of its own)',
  ],
  'one IPv6 address in two spellings': [
    hosts('{ id: 1, name: one, address: "::1" }', '{ id: 2, name: two, address: "0:0::1" }'),
    'f:4:34: address [::1]:7411 is taken in line 3 (give each host an address, or a port: of its own)',
  ],
  'two families': [
    hosts(
      one,
      '{ id: 2, name: two, address: "::1" }',
      '{ id: 3, name: c, address: c, bind: "::" }',
    ),
    'f:4:34: address ::1 is IPv6, that of line 3 is IPv4 (write all addresses in one family)',
    'f:5:41: bind :: is IPv6, that of line 3 is IPv4 (write all addresses in one family)',
  ],
  'bad votes': [
    hosts(
      '{ id: 1, name: one, address: 10.0.0.1, votes: 101 }',
      '{ id: 2, name: two, address: 10.0.0.2, votes: -1 }',
      '{ id: 3, name: three, address: 10.0.0.3, votes: many }',
    ),
    'f:3:51: votes is 101 (write a whole number from 0 to 100)',
    'f:4:51: votes is -1 (write a whole number from 0 to 100)',
    'f:5:53: votes is "many" (write a whole number from 0 to 100)',
  ],
  'no majority': [
    hosts('{ id: 1, name: one, address: 10.0.0.1, votes: 0 }'),
    'f:3:3: all hosts have 0 votes: no majority is possible (leave votes: out, or give one host at least 1)',
  ],
  'no hosts': ['cluster: a\nhosts: []\n', 'f:2:8: hosts is empty (write 1 to 1023 hosts)'],
  'too many hosts': [
    hosts(...Array.from({ length: 1024 }, () => 'x')),
    'f:3:3: hosts is 1024 hosts long (write 1 to 1023 hosts)',
  ],
  'hosts that are none': [
    hosts('kitchen', one),
    'f:3:5: a host is "kitchen" (write a map: id, name, address, port, votes, bind)',
  ],
  'hosts that are no list': [
    'cluster: a\nhosts: { kitchen: 10.0.0.1 }\n',
    'f:2:8: hosts is a map (write a list: - { id: 1, name: kitchen, address: 192.168.1.21 })',
  ],
  'durations without a unit, or with a strange one': [
    hosts(one) + 'timing: { heartbeat: 150, suspect: 2sec, lease: -2s }\n',
    'f:4:22: heartbeat is 150 (say the unit: 150ms or 150s)',
    'f:4:36: suspect is "2sec" (write a number and its unit: 150ms, 2s, 1.5s)',
    'f:4:49: lease is "-2s" (write a number and its unit: 150ms, 2s, 1.5s)',
  ],
  'durations out of range': [
    hosts(one) + 'timing: { heartbeat: 1ms, lease: 99m }\n',
    'f:4:22: heartbeat is "1ms" (write between 5ms and 60000ms)',
    'f:4:34: lease is "99m" (write between 15ms and 3600000ms)',
  ],
  'suspect and lease under three heartbeats': [
    hosts(one) + 'timing: { suspect: 449ms, lease: 0.4s }\n',
    'f:4:20: suspect 449ms is under 3 heartbeats of 150ms (write suspect: 450ms or more, or a shorter heartbeat:)',
    'f:4:34: lease 400ms is under 3 heartbeats of 150ms (write lease: 450ms or more, or a shorter heartbeat:)',
  ],
  'a heartbeat too long for the defaults': [
    hosts(one) + 'timing: { heartbeat: 500ms }\n',
    'f:4:22: suspect 1200ms is under 3 heartbeats of 500ms (write suspect: 1500ms or more, or a shorter heartbeat:)',
  ],
  'a suspect too short for a heartbeat that many hosts have stretched': [
    hosts(one, two, ...nth(40)) + 'timing: { suspect: 1s }\n',
    'f:43:20: suspect 1000ms is under 3 heartbeats of 400ms (write suspect: 1200ms or more, or a shorter heartbeat:)',
  ],
  'bad drift': [
    hosts(one) + 'timing: { drift: 0.02 }\n',
    'f:4:18: drift is 0.02 (write a percentage from 0% to 20%: 2%)',
  ],
  'too much drift': [
    hosts(one) + 'timing: { drift: 20.1% }\n',
    'f:4:18: drift is "20.1%" (write a percentage from 0% to 20%: 2%)',
  ],
  'limits out of range': [
    hosts(one) + 'limits: { connections: 0, variables: 20001, values: 1.5 }\n',
    'f:4:24: connections is 0 (write a whole number from 1 to 1024)',
    'f:4:38: variables is 20001 (write a whole number from 1 to 20000)',
    'f:4:53: values is 1.5 (write a whole number from 1 to 64)',
  ],
  'timing that is none': [
    hosts(one) + 'timing: fast\n',
    'f:4:9: timing is "fast" (write a map: heartbeat, suspect, lease, drift)',
  ],
  'an alias that leads nowhere': [
    'cluster: *a\nhosts:\n  - ' + one + '\n',
    'f:1:10: cluster is empty (write cluster: workshop)',
  ],
  'mistakes of all kinds at once, in the order of the text': [
    'hosts:\n  - { id: 1, nam: one, address: 10.0.0.1 }\nclster: a\n',
    'f:1:1: cluster is missing (write cluster: and a name, such as workshop)',
    'f:2:5: name is missing (write name: and what you call this host)',
    'f:2:14: unknown key "nam" (write name)',
    'f:3:1: unknown key "clster" (write cluster)',
  ],
}

for (const [what, [text, ...expected]] of Object.entries(mistakes)) {
  test(`a hosts file is refused, place and reason told: ${what}`, t => {
    t.deepEqual(read(text), expected)
  })
}

test('a file that is not UTF-8 is refused with its line', t => {
  const bytes = new Uint8Array([...new TextEncoder().encode('cluster: a\nkey: '), 0xff, 0x0a])
  t.deepEqual(read(bytes), ['f:2:1: this line is not UTF-8 (save the file as UTF-8)'])
})

test('a file that is far too long is refused unread', t => {
  t.deepEqual(read('#'.repeat(300_000)), [
    'f:1:1: the file has 300000 bytes, at most 262144 are read (is it the right one?)',
  ])
})

test('a boundary is on the right side: ids 1 and 1023, 0 % and 20 %, 450 ms', t => {
  const file = right(
    hosts(one, '{ id: 1023, name: last, address: last }') +
      'timing: { suspect: 450ms, lease: 450ms, drift: 20% }\n',
  )
  t.is(file.timing.drift, 0.2)
  t.is(right(hosts(one) + 'timing: { drift: 0% }\n').timing.drift, 0)
})

test('whatever a file holds, it is read or refused with reasons', t => {
  const piece = fc.constantFrom(
    ...[
      'cluster',
      'hosts',
      'timing',
      ': ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '\n',
      '  ',
      'id',
      '1',
      '&a ',
      '*a',
    ],
    ...[
      '"',
      '!x ',
      '? ',
      '|\n',
      '<<',
      '#',
      ',',
      'address',
      '10.0.0.1',
      '~',
      '%',
      '\t',
      '---\n',
      '\u00e9',
    ],
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), pieces => {
      const file = read(pieces.join(''))
      if (!('cluster' in file)) t.true(file.length > 0)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
