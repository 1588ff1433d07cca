import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { TraceEntry, TraceLine } from '../../src/control/trace.ts'
import { build } from '../../src/diagram/build.ts'
import { merge } from '../../src/diagram/merge.ts'
import { parseTrace } from '../../src/diagram/parse.ts'
import { causalFaults } from '../helpers/causes.ts'
import { Cluster } from '../helpers/cluster.ts'

function read(text: string): readonly TraceLine[] {
  const parsed = parseTrace(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed.lines
}

test.serial('three hosts trace a lock, and the diagram of it has its six messages', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  const follow = cluster.hosts.map(host => host.ctl('trace', '--follow', '--last', '0'))
  for (const each of follow) await each.said(/"hosts"/)
  t.is((await cluster.host(3).outcome('lock', 'door', 'true'))[0], 0)
  for (const each of follow) await each.said(/"remove"/)
  for (const each of follow) each.kill('SIGINT')
  for (const each of follow) t.is(await each.exited, 'SIGINT')
  const lines = follow.flatMap(({ stdout }) => read(stdout))
  const shown = { kinds: new Set(['locks'] as const), names: new Set(['door']) }
  const diagram = build(merge(lines), shown)
  t.deepEqual(causalFaults(diagram), [])
  t.deepEqual(
    diagram.arrows.map(({ message, deliver }) => [message.type, deliver !== undefined]).sort(),
    ['release', 'release', 'reply', 'reply', 'request', 'request'].map(type => [type, true]),
  )
  t.deepEqual(
    diagram.sections.map(({ names, how, row }) => [names, how, row]),
    [[['door'], 'left', 2]],
  )

  const files = follow.map(({ stdout }, index) => {
    const file = join(cluster.folder, `${index}.trace`)
    writeFileSync(file, stdout)
    return file
  })
  const host = cluster.host(1)
  const text = await host.outcome('diagram', ...files)
  t.is(text[0], 0)
  t.regex(text[1], /╔═ door ═/)
  for (const [name, pattern] of [
    ['run.svg', /<rect class="box"/],
    ['run.html', /Content-Security-Policy/],
    ['run.shiviz', /host-3 {"host-3":1}/],
    ['run.txt', /╔═ door ═/],
  ] as const) {
    const file = join(cluster.folder, name)
    t.deepEqual(await host.outcome('diagram', ...files, '-o', file, '--lock', 'door'), [0, '', ''])
    t.regex(readFileSync(file, 'utf8'), pattern)
  }
  const wrong = await host.outcome('diagram', ...files, '--lock', 'dor')
  t.is(wrong[0], 65)
  t.regex(wrong[2], /the lock "dor" is not in the trace \(there are door\)/)
  t.is((await host.outcome('diagram', join(cluster.folder, 'none')))[0], 74)
  t.is((await host.outcome('diagram', cluster.hostsFile))[0], 65)
  t.is((await host.outcome('diagram', ...files, '-o', 'run.gif'))[0], 64)

  // The whole ring: how the hosts came together, all of it in causal order.
  const rings = await Promise.all(cluster.hosts.map(each => each.outcome('trace')))
  const all = rings.flatMap(([, stdout]) => read(stdout))
  t.true(all.some(({ type }) => type === 'start') && all.some(({ type }) => type === 'view'))
  const whole = build(merge(all), { kinds: new Set(['locks', 'views', 'variables'] as const) })
  t.deepEqual(causalFaults(whole), [])
  const numbers = all.filter((line): line is TraceEntry => line.type !== 'hosts' && line.host === 1)
  t.deepEqual(
    numbers.map(({ n }) => n),
    numbers.map((_, index) => index + 1),
  )
  t.is((await host.outcome('trace', '--last', '3'))[1].trim().split('\n').length, 4)
  t.is((await host.outcome('trace', '--last', 'x'))[0], 64)
})
