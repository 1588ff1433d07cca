import test from 'ava'
import {
  aboutSelf,
  aboutText,
  differencesOf,
  parseAbout,
  type About,
} from '../../src/daemon/about.ts'
import { parseHosts, type HostsFile } from '../../src/daemon/config.ts'
import { checkDisk, lookAtDisk, type DiskFacts } from '../../src/daemon/doctor/disk.ts'
import { fromText } from '../../src/daemon/doctor/finding.ts'
import { checkBuffers, checkFreePort, checkWifi } from '../../src/daemon/doctor/network.ts'
import { checkChange, checkSite, type SiteFacts } from '../../src/daemon/doctor/site.ts'
import { DISK_SECONDS, Histogram } from '../../src/daemon/histogram.ts'
import { milliseconds } from '../../src/lib/time.ts'
import type { PeerStatus, Status } from '../../src/node.ts'
import { folderOf } from '../helpers/daemon-folder.ts'
import { StandInNode } from '../helpers/daemon-node.ts'

function fileOf(lines: readonly string[]): HostsFile {
  const text = ['cluster: demo', 'timing: { heartbeat: 100ms }', 'hosts:', ...lines].join('\n')
  const file = parseHosts(new TextEncoder().encode(text))
  if ('mistakes' in file) throw new Error(JSON.stringify(file.mistakes))
  return file
}

const lines = [
  '  - { id: 1, name: kitchen, address: 127.0.0.1 }',
  '  - { id: 2, name: garage, address: 127.0.0.1, port: 7412 }',
]
const file = fileOf(lines)
const own = aboutSelf(file, '1.0.0')

/** Two hosts that are well, but for what is said. */
function facts(peer: Partial<PeerStatus> = {}, status: Partial<Status> = {}): SiteFacts {
  const well = new StandInNode().status()
  const other = { ...well.peers[0]!, silent: milliseconds(5), about: aboutText(own), ...peer }
  const variables = { count: 3, bytes: 9, complete: true }
  return {
    status: { ...well, variables, peers: [other], ...status },
    file,
    own,
    connections: 3,
  }
}

test('of hosts that are well nothing is said but that they are', t => {
  const findings = checkSite(facts())
  t.deepEqual(new Set(findings.map(({ state }) => state)), new Set(['ok']))
  t.is(checkChange(facts(), 10).state, 'ok')
})

const ills: readonly (readonly [string, 'warning' | 'failure', RegExp, SiteFacts])[] = [
  ['majority', 'failure', /no vote yet/, facts({}, { blank: 'the first start of garage (2)' })],
  ['majority', 'failure', /no majority/, facts({ state: 'silent' }, { majority: false })],
  ['hosts', 'warning', /kitchen \(never\)/, facts({ state: 'silent', silent: undefined })],
  ['hosts', 'warning', /somebody calls/, facts({}, { notices: ['it calls itself host 9'] })],
  [
    'same-file',
    'failure',
    /votes: 2/,
    facts({ notice: 'host 1 has another hosts.yml, with votes: 2; it' }),
  ],
  [
    'same-file',
    'warning',
    /heartbeat 200/,
    facts({ about: aboutText({ ...own, heartbeat: 200 }) }),
  ],
  [
    'versions',
    'warning',
    /kitchen has 2\.0\.0/,
    facts({ about: aboutText({ ...own, version: '2.0.0' }) }),
  ],
  ['clocks', 'failure', /runs 3\.000 % slower/, facts({ drift: -0.03 })],
  ['clocks', 'warning', /runs 1\.500 % faster/, facts({ drift: 0.015 })],
  [
    'keys',
    'warning',
    /kitchen uses key/,
    facts({ key: 'abcd' }, { keys: ['ffff'] as Status['keys'] }),
  ],
  [
    'variables',
    'warning',
    /not all/,
    facts({}, { variables: { count: 3, bytes: 9, complete: false } }),
  ],
  [
    'limits',
    'warning',
    /19000 of 20000 variables/,
    facts({}, { variables: { count: 19_000, bytes: 9, complete: true } }),
  ],
]

for (const [check, state, pattern, ill] of ills) {
  test(`${check} is a ${state} where it says ${String(pattern)}`, t => {
    const found = checkSite(ill).filter(finding => finding.check === check)
    t.is(found.length, 1)
    t.is(found[0]?.state, state)
    t.regex(found[0]?.text ?? '', pattern)
    t.not(found[0]?.advice, null)
  })
}

test('a change has to wait for whoever is away, has other values, or a disk behind', t => {
  const whole = { agrees: true, whole: true }
  for (const [ill, pattern] of [
    [facts({ state: 'heard' }), /not in the view: kitchen/],
    [facts({}, { isMember: false }), /not in the view: this host/],
    [facts({ silent: milliseconds(11) }), /not heard since this was asked: kitchen/],
    [facts({ silent: undefined }), /not heard since/],
    [facts({ copy: undefined }), /other values/],
    [facts({ copy: { ...whole, agrees: false } }), /other values of variables: kitchen/],
    [facts({ copy: { ...whole, whole: false } }), /disk of kitchen/],
    [facts({}, { whole: false }), /disk of this host/],
  ] as const) {
    const { state, text } = checkChange(ill, 10)
    t.is(state, 'failure')
    t.regex(text, pattern)
  }
})

test('two files are compared line by line, and a text that is none of ours says nothing', t => {
  const other = fileOf([lines[0]!, '  - { id: 2, name: shed, address: 127.0.0.1, port: 7413 }'])
  t.deepEqual(differencesOf(own, aboutSelf(other, '1.0.0'), file.places), [
    'name shed for host 2 (here garage, line 5)',
    'address 127.0.0.1:7413 for host 2 (here 127.0.0.1:7412, line 5)',
  ])
  t.deepEqual(parseAbout(aboutText(own)), own)
  const many: About['hosts'] = Array.from({ length: 1023 }, (_, index) => {
    return { id: index + 1, name: 'n'.repeat(63), address: `${'a'.repeat(200)}:7411` }
  })
  t.deepEqual(parseAbout(aboutText({ ...own, hosts: many })), { ...own, hosts: [] })
  t.deepEqual(differencesOf(own, { ...own, hosts: [] }, file.places), [])
  for (const text of ['', 'null', '[]', '{}', '{"version":1}', '{"hosts":[1],"version":"1"}']) {
    t.is(parseAbout(text), undefined, text)
  }
})

test('a disk: not there, read-only, nearly full, with errors, slow', async t => {
  const folder = folderOf(t)
  const well: DiskFacts = { problem: undefined, freeBytes: 1e9, errors: 0 }
  const commits = new Histogram(DISK_SECONDS)
  t.is(checkDisk(folder, well, commits).state, 'ok')
  t.is((await lookAtDisk(folder)).problem, undefined)
  t.regex((await lookAtDisk(`${folder}/none`)).problem?.text ?? '', /there is no folder/)
  t.regex((await lookAtDisk('/proc/self')).problem?.text ?? '', /cannot be written/)
  const stuck = await lookAtDisk(folder, () => new Promise<void>(() => undefined))
  t.regex(stuck.problem?.text ?? '', /takes more than 5 s to write a few bytes/)
  const problem = { text: 'it is read-only', advice: 'replace it' }
  t.is(checkDisk(folder, { ...well, problem }).state, 'failure')
  t.is(checkDisk(folder, { ...well, freeBytes: 1e6 }).state, 'warning')
  t.is(checkDisk(folder, { ...well, errors: 2 }).state, 'warning')
  for (let i = 0; i < 99; i++) commits.observe(0.01)
  t.is(checkDisk(folder, well, commits).state, 'ok')
  for (let i = 0; i < 3; i++) commits.observe(2)
  t.is(checkDisk(folder, well, commits).state, 'warning')
})

test('a port in use, small buffers, a radio that saves power', async t => {
  t.is((await checkFreePort('127.0.0.1', 0)).state, 'ok')
  t.regex((await checkFreePort('192.0.2.1', 7411)).text, /does not have that address/)
  t.is(checkBuffers({ 'net.core.rmem_max': 212_992 }).state, 'warning')
  t.is(checkBuffers({ 'net.core.rmem_max': 2 ** 22 }).state, 'ok')
  const asleep = {
    interfaceOf: () => 'wlan0',
    isWireless: () => true,
    powerSave: () => Promise.resolve('Power save: on\n'),
  }
  t.is((await checkWifi('10.0.0.7', asleep)).state, 'warning')
  const awake = { ...asleep, powerSave: () => Promise.resolve('Power save: off\n') }
  t.is((await checkWifi('10.0.0.7', awake)).state, 'ok')
  const unknown = { ...asleep, powerSave: () => Promise.reject(new Error('ENOENT')) }
  t.regex((await checkWifi('10.0.0.7', unknown)).advice ?? '', /apt install iw/)
  const nowhere = { ...asleep, interfaceOf: () => undefined }
  t.regex((await checkWifi('0.0.0.0', nowhere)).text, /was not looked at/)
})

test('a text of ours falls into what is wrong and what to do', t => {
  t.like(fromText('key', 'failure', 'f is open (to all) (chmod 640 f (or less))'), {
    text: 'f is open (to all)',
    advice: 'chmod 640 f (or less)',
  })
  t.like(fromText('key', 'failure', 'f is open'), { text: 'f is open', advice: null })
})
