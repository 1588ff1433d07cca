import test from 'ava'
import { Connection, type CallOptions } from '../../src/client/connection.ts'
import type { LamportError } from '../../src/client/error.ts'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { startServer } from '../helpers/daemon-server.ts'

const options = (timeoutMs: number): CallOptions<unknown> => ({ timeoutMs, take: result => result })

test('requests that nobody answers are given up one after the other, each in its time, the rest goes on', async t => {
  t.timeout(30_000)
  const { path, node } = await startServer(t)
  node.answers = false
  const output = { notified: () => undefined, ended: () => undefined }
  const connection = await Connection.open(path, output)
  t.teardown(() => connection.close())
  const start = monotonicNow()
  const given: { ms: number; after: number }[] = []
  // Not in the order of their ends: the one timer has to be moved to and fro.
  const calls = [300, 100, 200, 5000].map(async ms => {
    const { answer } = connection.request('get', { name: `after ${ms}` }, options(ms))
    const error = (await answer.catch((reason: unknown) => reason)) as LamportError
    given.push({ ms, after: monotonicNow() - start })
    return error
  })
  const errors = await Promise.all(calls.slice(0, 3))
  for (const error of errors) t.regex(error.message, /does not answer get \(is it stopped/)
  t.deepEqual(
    given.map(({ ms }) => ms),
    [100, 200, 300],
  )
  for (const { ms, after } of given) t.true(after >= ms, `${ms} ms: after ${after}`)
  node.answers = true
  const { answer } = connection.request('get', { name: 'speed' }, options(5000))
  t.truthy(await answer)
  t.is(given.length, 3, 'the last one waits on')
})
