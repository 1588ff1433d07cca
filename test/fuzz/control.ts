import { LineReader } from '../../src/control/framing.ts'
import { LINE_BYTES_MAX } from '../../src/control/protocol.ts'
import { parseLine } from '../../src/daemon/requests.ts'
import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'

import type { ParsedLine } from '../../src/daemon/requests.ts'
import type { Target } from './engine.ts'

const calls = [
  ['acquire', { names: ['backup'], limit: 1, waitMs: 0, why: 'cron', command: 'tar', pid: 12 }],
  ['acquire', { names: ['a', 'b'], limit: 0, user: 'röt' }],
  ['acquire', { names: ['roof'], limit: 1, detached: { ttlMs: 60_000, pid: 1 } }],
  ['release', { token: 4711 }],
  ['release', { name: 'roof', force: true }],
  ['anchor', { token: 1 }],
  ['cancel', { id: 3 }],
  ['locks', { name: 'door' }],
  ['locks', undefined],
  ['why', { name: 'door' }],
  ['status', {}],
  ['found', {}],
  ['get', { name: 'speed', local: true, waitMs: 10 }],
  ['set', { name: 'speed', value: 'fünf\n', ifVersion: 3 }],
  ['set', { name: 'speed', value: { base64: 'AP8=' }, create: true }],
  ['unset', { name: 'speed', ifVersion: 1 }],
  ['vars', { prefix: 'light/', values: true, after: 'light/a' }],
  ['history', { name: 'speed' }],
  ['watch', { name: 'speed', initial: true }],
  ['watch', { prefix: 'light/' }],
  ['unwatch', { watch: 1 }],
  ['aquire', { names: [] }],
] as const

/** A client's bytes: any are lines, and each line is a request or an error in proper form. */
export function controlTarget(parse: (line: string) => ParsedLine = parseLine): Target {
  const random = new Random(1)
  let reader = new LineReader()
  let pending = 0
  return {
    name: 'control',
    sources:
      /\/(control\/(framing|names|values)|daemon\/(requests|variable-requests|params|info)|lib\/nearest)\.js$/,
    lengthMax: 1500,
    seeds: [
      ...calls.map(([method, params], id) =>
        Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params }) + '\n'),
      ),
      Buffer.from('[{"jsonrpc":"2.0"}]\n{}\n\n"x"\n\xff\n', 'latin1'),
    ],
    take(input) {
      // In whole or in two chunks, and after what an earlier input left unfinished.
      const cut = random.below(input.length + 1)
      const chunks = random.chance(0.5) ? [input] : [input.subarray(0, cut), input.subarray(cut)]
      pending += input.length
      for (const chunk of chunks) {
        for (const line of reader.push(chunk)) {
          if (line.type === 'line') checkAnswer(parse(line.text))
          pending = 0
          // A connection ends there.
          if (line.type === 'too-long') reader = new LineReader()
        }
      }
      if (pending > 2 * LINE_BYTES_MAX) throw new Error('a line without an end is kept for ever')
    },
  }
}

function checkAnswer(parsed: ParsedLine): void {
  const text = JSON.stringify(parsed)
  assert(text.length < 20_000, 'an answer is short, whatever was asked')
  if ('error' in parsed) {
    assert(parsed.error.code < 0 && parsed.error.message.length > 0, 'an error says what is wrong')
    return
  }
  assert(typeof parsed.id === 'number' || typeof parsed.id === 'string', 'a request has an id')
}
