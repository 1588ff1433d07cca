import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { blockAfter, type Block, type Entry } from '../../../src/examples/bank/block.ts'
import { Cluster } from '../../helpers/cluster.ts'
import { folderOf } from '../../helpers/daemon-folder.ts'
import { program } from '../../helpers/processes.ts'

const document = readFileSync(new URL('../../../../docs/bank.md', import.meta.url), 'utf8')
const demo = fileURLToPath(new URL('../../../src/examples/bank/demo.js', import.meta.url))

/** A machine that is busy is no failure here. */
const PATIENT = 'timing: { heartbeat: 150ms, suspect: 5s, lease: 6s }\n'

type Shown = { readonly host: string; readonly command: string; readonly output: string }

/** What the document shows: `host-1$ COMMAND`, and what it prints. */
function shownIn(text: string): readonly Shown[] {
  const blocks = [...text.matchAll(/^```console\n(.*?)^```/gms)].map(([, block]) => block ?? '')
  return blocks.flatMap(block =>
    [...block.matchAll(/^(host-\d)\$ (.*)\n((?:(?!host-\d\$ ).*\n)*)/gm)].map(
      ([, host = '', command = '', output = '']) => ({ host, command, output }),
    ),
  )
}

/**
 * Tokens are others each time, and so are the hashes, and the columns after them. Which hash is the
 * same as which is not: the first one that is seen is HASH1, wherever it stands.
 */
function masker(): (text: string) => string {
  const seen: string[] = []
  return text =>
    text
      .replace(/\b([0-9a-f]{16})([0-9a-f]{48})?\b/g, (_, start: string) => {
        if (!seen.includes(start)) seen.push(start)
        return `HASH${seen.indexOf(start) + 1}`
      })
      .replace(/token \d+ +/g, 'token TOKEN  ')
}

test.serial('what the document shows is what comes of it', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  const bin = join(cluster.folder, 'bin')
  mkdirSync(bin)
  for (const name of ['lamport-bank', 'lamportctl'] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${process.execPath} ${program(name)} "$@"\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const shown = shownIn(document)
  t.true(shown.length > 15)
  const [maskSaid, maskShown] = [masker(), masker()]
  for (const { host: name, command, output } of shown) {
    const host = cluster.hosts.find(each => each.name === name)
    const child = spawn('/bin/sh', ['-c', `{ ${command}\n} 2>&1`], {
      env: { PATH: [bin, process.env.PATH].join(delimiter), LAMPORT_SOCKET: host?.socket },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', part => (text += String(part)))
    await once(child, 'close')
    t.is(maskSaid(text), maskShown(output), command)
  }
})

test('the hashes of the document are those of its blocks, with the tokens that it shows', t => {
  const entries: readonly Entry[] = [
    { type: 'open', accounts: ['1', '2', '3'], cents: 1000 },
    { type: 'transfer', from: '1', to: '2', cents: 400 },
  ]
  const rows = [...document.matchAll(/^(\d+) .* token (\d+) +(host-\d) +([0-9a-f]{16})$/gm)]
  const hashes: string[] = []
  let newest: Block | undefined
  for (const [at, entry] of entries.entries()) {
    const [, number, token, host = '', start] = rows[at] ?? []
    const block = blockAfter(newest, entry, { token: Number(token), host })
    if ('problem' in block) throw new Error(block.problem)
    t.deepEqual([number, start], [String(at), block.hash.slice(0, 16)])
    hashes.push(block.hash)
    newest = block
  }
  t.is(rows.length, entries.length)
  const whole = document.match(/\b[0-9a-f]{64}\b/g) ?? []
  t.true(whole.length > 2)
  t.deepEqual(new Set(whole), new Set([hashes.at(-1)]))
})

test.serial('the demonstration plays to its end, and leaves nothing', async t => {
  t.timeout(120_000)
  const folder = folderOf(t)
  const file = join(folder, 'hosts.yml')
  const hosts = ['one', 'two', 'three'].map(
    (name, at) => `  - { id: ${at + 1}, name: ${name}, address: 127.0.82.${at + 1} }\n`,
  )
  writeFileSync(file, `cluster: demo\nport: 7721\n${PATIENT}hosts:\n${hosts.join('')}`)
  const env = { PATH: process.env.PATH, TMPDIR: folder, LAMPORT_HOSTS: file }
  const child = spawn(process.execPath, [demo, '--once'], { env, stdio: 'pipe' })
  t.teardown(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', text => (stdout += String(text)))
  child.stderr.on('data', text => (stderr += String(text)))
  t.deepEqual(await once(child, 'close'), [0, null], stderr)
  t.is(stderr, '')
  t.regex(stdout, /two\$ lamport-bank transfer 2 1 100\n {3}lamport-bank: insufficient funds/)
  t.regex(stdout, /\d+ were done, \d+ refused for want of money/)
  t.is(stdout.match(/All hosts have the same \d+ blocks: [0-9a-f]{16}…; \$30 in all/g)?.length, 4)
  t.regex(stdout, /its client is killed \(SIGKILL\)\n {3}two\$ lamport-bank transfer 3 1 0\.50\n/)
  t.regex(stdout, /A transfer: median [\d.]+ ms/)
  t.log(/A transfer: .*/.exec(stdout)?.[0])
  t.deepEqual(readdirSync(folder), ['hosts.yml'])
})
