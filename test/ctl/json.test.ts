import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import { misshapen, readShapes } from '../helpers/shapes.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const shapes = readShapes(readFileSync(join(root, 'docs/json.md'), 'utf8'))

/** What has no output for programs to read, or is refused by a cluster that is at work. */
const SILENT = ['share', 'hold', 'completion', 'found', 'diagram', 'dashboard']

test('a shape finds what is missing, new or of another kind', t => {
  const known = readShapes(
    '| A | `text or null` |\n| `b`, `c` | `{x: [A], y?: number, z: {*: flag}}` |',
  )
  t.is(misshapen(known, 'b', { x: ['a', null], z: { q: true } }), undefined)
  t.is(misshapen(known, 'c', { x: [], y: 1, z: {} }), undefined)
  for (const wrong of [
    { x: [1], z: {} },
    { x: [], z: {}, q: 1 },
    { x: [] },
    { x: {}, z: {} },
    [],
  ]) {
    t.truthy(misshapen(known, 'b', wrong), JSON.stringify(wrong))
  }
})

test.serial(
  'each command prints what docs/json.md says, with every field that it names',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: [1, 2] })
    await cluster.ready()
    const host = cluster.host(1)
    const seen = new Set<string>()
    const check = (name: string, text: string): void => {
      for (const line of text.trim().split('\n')) {
        t.is(misshapen(shapes, name, JSON.parse(line)), undefined, `${name}: ${line}`)
      }
      seen.add(name)
    }
    const run = async (...args: readonly [string, ...string[]]): Promise<void> => {
      const [code, stdout, stderr] = await host.outcome('--json', ...args)
      t.true(code === 0 || code === 1, stderr)
      check(args[0], stdout)
    }
    const watch = host.ctl('watch', '--json', 'x', '--initial')
    await run('set', 'x', 'text')
    await run('set', 'binary', '-')
    await run('get', 'x')
    await run('unset', 'x')
    await run('get', 'x')
    await run('history', 'x')
    await run('vars')
    await run('env')
    await run('status')
    await run('metrics')
    await run('keygen')
    await run('trace')
    await run('compare', '--hosts', '3')
    const file = join(cluster.folder, 'backup')
    await run('export', file)
    await run('import', file)
    writeFileSync(join(cluster.folder, 'template'), '{{binary}}')
    await run('render', join(cluster.folder, 'template'), join(cluster.folder, 'out'), '--once')
    await watch.said(/deleted/)
    check('watch', watch.stdout)

    const held = host.ctl('lock', '--json', '--why', 'test', 'door')
    await held.said(/"held"/)
    const waits = cluster.host(2).ctl('lock', '--json', 'door', 'true')
    await waits.said(/"queued"/)
    await run('locks')
    await run('why', 'door')
    held.child.stdin.end()
    t.is(await waits.exited, 0)
    check('lock', held.stdout)
    check('lock', waits.stderr)
    check('lock', (await host.outcome('lock', '--json', 'free', 'true'))[2])

    await run('acquire', '--ttl', '1h', 'paper')
    await run('locks')
    await run('release', 'paper')
    const once = ['--json', 'once', '--every', '1h', 'often', 'true']
    check('once', (await host.outcome(...once))[2])
    check('once', (await host.outcome(...once))[2])

    const [, help] = await host.outcome('--help')
    const commands = /Commands:\n([^]*?)\n\n/.exec(help)?.[1] ?? ''
    const names = [...commands.matchAll(/^ +([a-z]+) /gm)].map(([, name]) => name ?? '')
    t.true(names.length > 15)
    t.deepEqual(
      names.filter(name => !seen.has(name) && !SILENT.includes(name)),
      [],
    )
  },
)
