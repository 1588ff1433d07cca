import { spawnSync } from 'node:child_process'
import test from 'ava'
import { Exposition } from '../../src/daemon/exposition.ts'
import { Histogram } from '../../src/daemon/histogram.ts'
import { Cluster } from '../helpers/cluster.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import { startServer as start } from '../helpers/daemon-server.ts'
import { parseExposition, type Family } from '../helpers/exposition.ts'

type Families = ReadonlyMap<string, Family>

/** The value of one series, by the values of its labels. */
function value(families: Families, name: string, ...labels: readonly string[]): number | undefined {
  return [...families.values()]
    .flatMap(({ samples }) => samples)
    .find(
      sample =>
        sample.name === name &&
        labels.every(label => Object.values(sample.labels).includes(label)) &&
        (labels.length > 0 || Object.keys(sample.labels).length === 0),
    )?.value
}

async function ask(client: RawClient): Promise<Families> {
  const { result } = await client.call('metrics', 'metrics')
  const { contentType, text } = result as { contentType: string; text: string }
  if (!contentType.startsWith('text/plain; version=0.0.4')) throw new Error(contentType)
  return parseExposition(text)
}

test('a histogram counts a value in the first bucket that it does not exceed', t => {
  const histogram = new Histogram([1, 2])
  for (const each of [0, 1, 1.5, 2, 2.5, Infinity]) histogram.observe(each)
  t.deepEqual([...histogram.counts], [2, 2, 2])
  const out = new Exposition()
  out.histogram('x_seconds', 'help', histogram)
  t.is(value(parseExposition(out.text()), 'x_seconds_bucket', '2'), 4)
})

test('whatever a name holds, it stays between its quotes', t => {
  const out = new Exposition()
  const strange = 'a"b\\c\nd{e="f"} 1'
  out.gauge('x', 'one\nline \\ only', [[{ name: strange, other: 'ü' }, -1.5e-7]])
  const [sample] = parseExposition(out.text()).get('x')?.samples ?? []
  t.deepEqual(sample, { name: 'x', labels: { name: strange, other: 'ü' }, value: -1.5e-7 })
})

test('the strict parser finds what is wrong', t => {
  const head = '# HELP x_total h\n# TYPE x_total counter\n'
  t.notThrows(() => parseExposition(`${head}x_total 1\n`))
  const wrong = [
    `${head}x_total 1`,
    `${head}x_total  1\n`,
    `${head}x_total 1\nx_total 2\n`,
    `${head}x_total -1\n`,
    `${head}x_total{a="b",} 1\n`,
    `${head}x_total{a="b\n"} 1\n`,
    `${head}x_total{a="b",a="c"} 1\n`,
    `${head}y_total 1\n`,
    head,
    `${head}x_total 1\n${head}x_total{a="b"} 1\n`,
    '# TYPE x_total counter\nx_total 1\n',
    '# HELP x h\n# TYPE x counter\nx 1\n',
    '# HELP x_ms h\n# TYPE x_ms gauge\nx_ms 1\n',
    '# HELP x h\n# TYPE x histogram\nx_bucket{le="1"} 1\nx_sum 1\nx_count 1\n',
    '# HELP x h\n# TYPE x histogram\nx_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 1\n',
    '# HELP x h\n# TYPE x histogram\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 2\n',
  ]
  for (const text of wrong) t.throws(() => parseExposition(text), undefined, text)
})

test('what clients ask for is counted by how it came out', async t => {
  const { path, node } = await start(t)
  const [one, two] = [await RawClient.greeted(path), await RawClient.greeted(path)]
  const token = await one.acquire('door')
  await two.call(1, 'acquire', { names: ['door'], limit: 1, waitMs: 0 })
  two.ask(2, 'acquire', { names: ['door'], limit: 1 })
  await two.next()
  let families = await ask(one)
  t.is(value(families, 'lamport_locks_held'), 1)
  t.is(value(families, 'lamport_locks_waiting'), 1)
  t.is(value(families, 'lamport_lock_requests_total', 'not-acquired'), 1)
  t.is(value(families, 'lamport_lock_wait_seconds_count'), 1)
  t.is(value(families, 'lamport_lock_hold_seconds_count'), 0)
  await one.call(3, 'release', { token })
  await two.next()
  node.lose(node.tokens[0] ?? 0, 'test')
  families = await ask(one)
  t.is(value(families, 'lamport_lock_hold_seconds_count'), 2)
  t.is(value(families, 'lamport_locks_lost_total', 'lease'), 1)
  t.is(value(families, 'lamport_locks_lost_total', 'leaving'), 0)
  t.is(value(families, 'lamport_lock_requests_total', 'granted'), 2)

  await one.call(4, 'set', { name: 'x', value: '1' })
  await one.call(5, 'set', { name: 'x', value: '1', ifVersion: 7 })
  await one.call(6, 'get', { name: 'x' })
  await one.call(7, 'get', { name: 'x', local: true })
  families = await ask(one)
  t.is(value(families, 'lamport_sets_total', 'changed'), 1)
  t.is(value(families, 'lamport_sets_total', 'differs'), 1)
  t.is(value(families, 'lamport_set_duration_seconds_count'), 1)
  t.is(value(families, 'lamport_gets_total', 'value'), 1)
  t.is(value(families, 'lamport_gets_total', 'local'), 1)
  t.is(value(families, 'lamport_connections'), 2)
  t.is(value(families, 'lamport_peer_state', 'kitchen', 'member'), 1)
  t.is(value(families, 'lamport_peer_state', 'kitchen', 'silent'), 0)
  t.is(value(families, 'lamport_dropped_total', 'malformed'), 4)
  t.is(value(families, 'lamport_lease_left_seconds'), 1.9)
})

test('a connection or a request too many is counted', async t => {
  const { path } = await start(t, { connectionsMax: 1, requestsMax: 1 })
  const client = await RawClient.greeted(path)
  await (await RawClient.open(path)).untilClosed()
  await client.acquire('door')
  await client.call(1, 'acquire', { names: ['other'], limit: 1 })
  const families = await ask(client)
  t.is(value(families, 'lamport_connections_refused_total'), 1)
  t.is(value(families, 'lamport_connections_total'), 1)
  t.is(value(families, 'lamport_requests_over_limit_total'), 1)
})

test.serial(
  'lamportctl metrics: what a daemon at work has counted, as promtool likes it',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
    await cluster.ready()
    const host = cluster.host(1)
    t.is((await host.outcome('lock', 'door', 'true'))[0], 0)
    t.is((await host.outcome('set', 'x', 'hello'))[0], 0)
    const [code, text] = await host.outcome('metrics')
    t.is(code, 0)
    const families = parseExposition(text)
    t.is(value(families, 'lamport_majority'), 1)
    t.is(value(families, 'lamport_view_members'), 3)
    t.is(
      value(families, 'lamport_lock_hold_seconds_count'),
      value(families, 'lamport_grants_total'),
    )
    t.is(value(families, 'lamport_variables_bytes'), 5)
    for (const name of [
      'lamport_grants_total',
      'lamport_views_total',
      'lamport_store_commit_duration_seconds_count',
      'lamport_datagrams_sent_total',
      'lamport_datagram_received_bytes_total',
      'lamport_uptime_seconds',
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
    ]) {
      t.true((value(families, name) ?? 0) > 0, name)
    }
    t.true((value(families, 'lamport_messages_sent_total', 'request') ?? 0) > 0)
    t.true((value(families, 'lamport_peer_rtt_seconds', 'host-2') ?? 0) > 0)
    const json = JSON.parse((await host.outcome('--json', 'metrics'))[1]) as { text: string }
    t.true(parseExposition(json.text).has('lamport_build_info'))
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    if (promtool.error !== undefined) {
      t.log('no promtool here: the parser of this test is the only judge')
      return
    }
    t.is(promtool.status, 0, promtool.stdout + promtool.stderr)
  },
)
