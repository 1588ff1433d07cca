import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

// The sources, from dist/test/tidy.test.js.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** What each layer may import besides itself; `ctl` reaches `sim` behind its own commands. */
const layers: Record<string, readonly string[]> = {
  lib: [],
  transport: ['lib'],
  core: ['lib'],
  node: ['lib', 'transport', 'core'],
  trace: ['lib', 'core', 'control'],
  sim: ['lib', 'transport', 'core', 'node', 'trace'],
  control: ['lib'],
  diagram: ['lib', 'control'],
  page: ['lib', 'control', 'diagram', 'dashboard'],
  client: ['lib', 'control'],
  daemon: ['lib', 'transport', 'core', 'node', 'trace', 'control'],
  dashboard: ['lib', 'control', 'client', 'diagram'],
  ctl: ['lib', 'control', 'client', 'diagram', 'dashboard', 'sim'],
  examples: ['lib', 'control', 'client'],
  man: ['lib', 'control', 'ctl', 'daemon'],
  deb: [],
}

/** Who runs without being imported. */
const entries = [
  'src/daemon/main.ts',
  'src/ctl/main.ts',
  'src/sim/main.ts',
  'src/sim/explore-main.ts',
  'src/client/client.ts',
  'src/examples/demo.ts',
  'src/examples/bank/main.ts',
  'src/examples/bank/demo.ts',
  'src/man/main.ts',
  'src/examples/library.ts',
  'src/deb/main.ts',
  // Bundled in the place of lmdb's own search.
  'src/daemon/lmdb-binary.ts',
  'src/page/diagram.ts',
  'src/page/dashboard.ts',
]

/** Packages, and the one place that may import each: the reasons are in docs/architecture.md. */
const packages: Record<string, RegExp> = {
  '@stablelib/chacha': /^src\/daemon\/short-cipher\.ts$/,
  '@stablelib/poly1305': /^src\/daemon\/short-cipher\.ts$/,
  'cbor-x/encode': /^src\/lib\/cbor\.ts$/,
  yargs: /^src\/daemon\/options\.ts$/,
  'yargs-parser': /^src\/ctl\/arguments\.ts$/,
  debug: /^src\/daemon\//,
  mustache: /^src\/ctl\/variables\/template\.ts$/,
  lmdb: /^src\/daemon\/store-database\.ts$/,
  yaml: /^src\/(daemon\/config|examples\/site)/,
}

/** A file ends near 300 lines; these few say why they are longer. */
const LINES_MAX = 400
const longFiles: Record<string, number> = {
  // All parts of the protocol, wired: what is left when each has a file of its own.
  'src/core/host.ts': 810,
  // Lamport's rules, what a change of view or of a life does to them, and requests that stand: one
  // state in one place.
  'src/core/mutex.ts': 760,
  // Whom a host hears, what it wants, and the rounds that bring it about.
  'src/core/membership.ts': 500,
  // Every request of the control socket, a few lines each.
  'src/daemon/server.ts': 415,
  // Whose lock is whose, and until when, however its connection ends.
  'src/daemon/sessions.ts': 460,
  // A world of hosts, and all that can be done to it.
  'src/sim/ideal.ts': 435,
  // Transport and core, wired: a few lines for each input, effect and question.
  'src/node.ts': 495,
  // What a variable's register hears and says, wired: each part has a file of its own.
  'src/core/variables.ts': 490,
  // What strangers send, step by step, and who is told of it: the way in, in one place.
  'src/transport/endpoint.ts': 426,
  // The whole public client, a few lines and a comment a method.
  'src/client/client.ts': 430,
  // One round after the other on each register: one state, told in one place.
  'src/core/changes.ts': 430,
  // What can happen in the small world that is explored whole, event by event.
  'src/sim/small-world.ts': 500,
  // Which of several sessions, handshakes and endings counts: one decision in one place.
  'src/transport/peer.ts': 505,
  // Nodes, clocks, disks and packets in one virtual time.
  'src/sim/world.ts': 480,
}

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(name => name.endsWith('.ts'))
    .sort()
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

function imports(file: string): string[] {
  const found = read(file).matchAll(/(?:(?<!')\bfrom|\bimport\()\s*'([^'\n]+)'/g)
  return [...found].map(match => match[1] ?? '')
}

function layerOf(file: string): string {
  return file.split('/')[1]?.replace('.ts', '') ?? ''
}

export function layerFaults(file: string, imported: readonly string[]): string[] {
  const layer = layerOf(file)
  return imported
    .filter(path => path.startsWith('.'))
    .map(path => relative(root, join(root, dirname(file), path)))
    .filter(path => layerOf(path) !== layer && !layers[layer]?.includes(layerOf(path)))
    .map(path => `${file} imports ${path}`)
}

test('layers import downward only', t => {
  t.deepEqual(
    files('src').flatMap(file => layerFaults(file, imports(file))),
    [],
  )
  t.deepEqual(layerFaults('src/core/clock.ts', ['../node.ts']), [
    'src/core/clock.ts imports src/node.ts',
  ])
})

test('the bank knows of lamportd what the client library says, and nothing else', t => {
  const allowed =
    /^(\.\/[a-z]+\.ts|\.\.\/site\.ts|\.\.\/\.\.\/(client\/client|control\/version|lib\/[a-z]+)\.ts|node:.+)$/
  const faults = files('src/examples/bank').flatMap(file =>
    imports(file)
      .filter(path => !allowed.test(path))
      .map(path => `${file} imports ${path}`),
  )
  t.deepEqual(faults, [])
})

test('a package is imported where its reason is, and nowhere else', t => {
  const faults = files('src').flatMap(file =>
    imports(file)
      .filter(path => !path.startsWith('.') && !path.startsWith('node:'))
      .filter(path => !packages[path]?.test(file))
      .map(path => `${file} imports ${path}`),
  )
  t.deepEqual(faults, [])
})

test('every file is imported by another, or is where a program starts', t => {
  const all = [...files('src'), ...files('test')]
  const imported = new Set(
    all.flatMap(file => imports(file).map(path => join(dirname(file), path))),
  )
  const dead = files('src').filter(file => !imported.has(file) && !entries.includes(file))
  t.deepEqual(dead, [])
})

test('no file outgrows its room', t => {
  const long = [...files('src')].filter(file => {
    const lines = read(file).split('\n').length
    return lines > (longFiles[file] ?? LINES_MAX)
  })
  t.deepEqual(long, [])
})

test('tests of the pure layers never wait', t => {
  const waits = [...files('test/core'), ...files('test/transport'), ...files('test/sim')].filter(
    file => /setTimeout|sleep\(|node:timers/.test(read(file)),
  )
  t.deepEqual(waits, [])
})

test('no test is skipped for good or left undone', t => {
  const marks = new RegExp(`test\\.(${['skip', 'only', 'failing', 'todo'].join('|')})\\(`)
  t.deepEqual(
    files('test').filter(file => marks.test(read(file))),
    [],
  )
})

test('what a document names exists', t => {
  const documents = [
    'README.md',
    ...readdirSync(join(root, 'docs'))
      .filter(name => name.endsWith('.md'))
      .map(name => join('docs', name)),
  ]
  const missing = documents.flatMap(document =>
    [...read(document).matchAll(/`((?:src|test|docs|systemd|bench)\/[\w./-]+)`/g)]
      .map(match => match[1] ?? '')
      .filter(path => !existsSync(join(root, path)))
      .map(path => `${document} names ${path}`),
  )
  t.deepEqual(missing, [])
})
