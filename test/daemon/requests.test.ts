import test from 'ava'
import fc from 'fast-check'
import { ErrorCode } from '../../src/control/protocol.ts'
import { decodeInfo, encodeInfo } from '../../src/daemon/info.ts'
import { parseLine } from '../../src/daemon/requests.ts'
import type { Request } from '../../src/daemon/requests.ts'

function ask(method: string, params?: unknown): Request | string {
  const parsed = parseLine(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
  if ('request' in parsed) return parsed.request
  if (parsed.error.code !== ErrorCode.invalidParams) throw new Error(parsed.error.message)
  return parsed.error.message
}

const limits = 'write 0 for shared, 1 for exclusive, or how many may hold it, to 1000000'

test('an acquire is taken with all it may have', t => {
  t.deepEqual(
    ask('acquire', {
      names: ['a', 'ü'],
      limit: 0,
      waitMs: 1.5,
      why: 'w',
      command: 'c',
      pid: 7,
      user: 'u',
      positions: false,
      detached: { ttlMs: 500, pid: 9 },
    }),
    {
      type: 'acquire',
      names: ['a', 'ü'],
      limit: Infinity,
      wait: 1.5,
      info: '{"p":7,"u":"u","c":"c","w":"w"}',
      positions: false,
      detached: { ttl: 500, pid: 9 },
    } as unknown as Request,
  )
  t.deepEqual(ask('acquire', { names: ['x'.repeat(255)], limit: 1_000_000 }), {
    type: 'acquire',
    names: ['x'.repeat(255)],
    limit: 1_000_000,
    wait: undefined,
    info: '{}',
    positions: true,
    detached: undefined,
  })
})

const wrong: readonly (readonly [method: string, params: unknown, message: string])[] = [
  ['acquire', undefined, 'names is missing (write a list of names: ["door"])'],
  ['acquire', { names: 'door', limit: 1 }, 'names is "door" (write a list of names: ["door"])'],
  ['acquire', { names: [1], limit: 1 }, 'names is [1] (write a list of names: ["door"])'],
  ['acquire', { names: [], limit: 1 }, 'no name is given (name at least one lock)'],
  ['acquire', { names: ['a', 'b', 'a'], limit: 1 }, 'the name a is given twice (give it once)'],
  ['acquire', { names: [''], limit: 1 }, 'the name is empty (give one of 1 to 255 bytes)'],
  [
    'acquire',
    { names: ['a'], limit: 1, positions: 0 },
    'positions is 0 (write true or false, or leave it out)',
  ],
  ['acquire', { names: ['a'] }, `limit is missing (${limits})`],
  ['acquire', { names: ['a'], limit: -1 }, `limit is -1 (${limits})`],
  ['acquire', { names: ['a'], limit: 1.5 }, `limit is 1.5 (${limits})`],
  ['acquire', { names: ['a'], limit: '1' }, `limit is "1" (${limits})`],
  ['acquire', { names: ['a'], limit: 1_000_001 }, `limit is 1000001 (${limits})`],
  [
    'acquire',
    { names: ['a'], limit: 1, waitMs: -1 },
    'waitMs is -1 (write milliseconds from 0, or leave it out)',
  ],
  [
    'acquire',
    { names: ['a'], limit: 1, waitMs: null },
    'waitMs is null (write milliseconds from 0, or leave it out)',
  ],
  ['acquire', { names: ['a'], limit: 1, wait: 5 }, 'unknown parameter "wait" (write waitMs)'],
  ['acquire', { names: ['a'], limit: 1, why: 5 }, 'why is 5 (write a text, or leave it out)'],
  ['acquire', { names: ['a'], limit: 1, pid: 0 }, 'pid is 0 (write a process id, or leave it out)'],
  [
    'acquire',
    { names: ['a'], limit: 1, why: 'w'.repeat(600) },
    'user and why are too long (together 400 bytes at most)',
  ],
  ['release', {}, 'token is missing (write the one that acquire answered)'],
  ['release', { token: 1.5 }, 'token is 1.5 (write the one that acquire answered)'],
  ['anchor', { token: '7' }, 'token is "7" (write the one that acquire answered)'],
  ['cancel', { id: null }, 'id is null (write that of the acquire)'],
  ['status', { all: true }, 'unknown parameter "all" (this method takes none)'],
  ['locks', { name: 5 }, 'name is 5 (write a name, such as door)'],
  ['locks', { nmae: 'a' }, 'unknown parameter "nmae" (write name)'],
]

const base64 = 'the value is not base64 (write A-Z a-z 0-9 + / and padding with =)'
const flag = 'write true or false, or leave it out'
const version = 'write the version that it must have, 0 for never set, or leave it out'
const tooLong = 'at most 65536 are possible (keep it in a file, and its path or digest here)'

const wrongOfVariables: readonly (readonly [string, unknown, string])[] = [
  ['get', {}, 'name is missing (write a name, such as door)'],
  ['get', { name: '' }, 'the name is empty (give one of 1 to 255 bytes)'],
  ['get', { name: 'a', local: 1 }, `local is 1 (${flag})`],
  ['get', { name: 'a', waitMs: -1 }, 'waitMs is -1 (write milliseconds from 0, or leave it out)'],
  ['get', { name: 'a', wait: 1 }, 'unknown parameter "wait" (write waitMs)'],
  ['set', { name: 'a' }, 'value is missing (write a text, or {"base64": "…"})'],
  ['set', { name: 'a', value: 5 }, 'value is 5 (write a text, or {"base64": "…"})'],
  [
    'set',
    { name: 'a', value: { base64: 'YQ==', more: 1 } },
    'value is {"base64":"YQ==","more":1} (write a text, or {"base64": "…"})',
  ],
  [
    'set',
    { name: 'a', value: 'x\ud800' },
    'the value is not valid Unicode (give its bytes, in base64)',
  ],
  ['set', { name: 'a', value: { base64: 'YQ' } }, base64],
  ['set', { name: 'a', value: { base64: 'Y Q=' } }, base64],
  ['set', { name: 'a', value: { base64: 'YR==' } }, base64],
  [
    'set',
    { name: 'a', value: 'x'.repeat(65_537) },
    `the value has more than 65536 bytes, ${tooLong}`,
  ],
  ['set', { name: 'a', value: 'ü'.repeat(32_769) }, `the value has 65538 bytes, ${tooLong}`],
  [
    'set',
    { name: 'a', value: { base64: Buffer.alloc(65_537).toString('base64') } },
    `the value has 65537 bytes, ${tooLong}`,
  ],
  ['set', { name: 'a', value: '', ifVersion: -1 }, `ifVersion is -1 (${version})`],
  ['set', { name: 'a', value: '', ifVersion: '1' }, `ifVersion is "1" (${version})`],
  ['set', { name: 'a', value: '', create: 'yes' }, `create is "yes" (${flag})`],
  [
    'set',
    { name: 'a', value: '', create: true, ifVersion: 0 },
    'create and ifVersion exclude each other (write one of them)',
  ],
  [
    'unset',
    { name: 'a', create: true },
    'unknown parameter "create" (known: name, ifVersion, waitMs)',
  ],
  ['unset', { name: 'a', ifVersion: 1.5 }, `ifVersion is 1.5 (${version})`],
  ['vars', { prefix: 1 }, 'prefix is 1 (write how the names begin, such as light/)'],
  [
    'vars',
    { prefix: 'p'.repeat(256) },
    'the prefix has 256 bytes, at most 255 are possible (choose a shorter one)',
  ],
  ['vars', { after: '' }, 'after is "" (write what was next in the answer before)'],
  ['vars', { values: 'all' }, `values is "all" (${flag})`],
  ['history', { name: 5 }, 'name is 5 (write a name, such as door)'],
  ['watch', {}, 'name is missing (write a name, or the prefix of names)'],
  [
    'watch',
    { name: 'a', prefix: 'a' },
    'name and prefix exclude each other (write a name, or the prefix of names)',
  ],
  [
    'watch',
    { prefix: 'a\n' },
    'the prefix "a\\n" contains a control character (choose one without)',
  ],
  ['watch', { name: 'a', initial: 'yes' }, `initial is "yes" (${flag})`],
  ['unwatch', {}, 'watch is missing (write the number that watch answered)'],
]

for (const [method, params, message] of [...wrong, ...wrongOfVariables]) {
  test(`${method} ${JSON.stringify({ params }).slice(0, 60)} is refused with a reason`, t => {
    t.is(ask(method, params), message)
  })
}

test('what is asked of variables is taken with all it may have', t => {
  const asked = (method: string, params: unknown): unknown => ask(method, params)
  const bytes = new Uint8Array([0x61])
  const [always, wait] = [{ type: 'always' }, 5000]
  t.deepEqual(asked('get', { name: 'a' }), { type: 'get', name: 'a', local: false, wait })
  t.deepEqual(asked('get', { name: 'a', local: true, waitMs: 0 }), {
    type: 'get',
    name: 'a',
    local: true,
    wait: 0,
  })
  const set = { type: 'set', name: 'a', bytes, condition: always, wait }
  t.deepEqual(asked('set', { name: 'a', value: 'a' }), set)
  t.deepEqual(asked('set', { name: 'a', value: { base64: 'YQ==' }, create: false }), set)
  t.deepEqual(asked('set', { name: 'a', value: 'a', create: true }), {
    ...set,
    condition: { type: 'absent' },
  })
  t.deepEqual(asked('set', { name: 'a', value: 'a', ifVersion: 0, waitMs: 1 }), {
    ...set,
    condition: { type: 'version', version: 0 },
    wait: 1,
  })
  t.deepEqual(asked('unset', { name: 'a', ifVersion: 3 }), {
    type: 'unset',
    name: 'a',
    bytes: undefined,
    condition: { type: 'version', version: 3 },
    wait,
  })
  t.deepEqual(asked('vars', {}), { type: 'vars', prefix: '', values: false, after: undefined })
  t.deepEqual(asked('watch', { prefix: '' }), {
    type: 'watch',
    topic: { type: 'prefix', prefix: '' },
    initial: false,
  })
})

test('a value of 64 KiB is taken, and kept in no larger memory', t => {
  for (const value of ['x'.repeat(65_536), { base64: Buffer.alloc(65_536).toString('base64') }]) {
    const set = ask('set', { name: 'a', value })
    t.is(typeof set === 'object' && set.type === 'set' ? set.bytes?.length : undefined, 65_536)
  }
  for (const value of ['x', { base64: 'YQ==' }]) {
    const set = ask('set', { name: 'a', value })
    t.is(typeof set === 'object' && set.type === 'set' ? set.bytes?.buffer.byteLength : 0, 1)
  }
})

test('names of 256 bytes, with control characters or halves of characters are refused', t => {
  for (const name of ['x'.repeat(256), 'ü'.repeat(128), 'a\nb', 'a\u0085', '\u007f', '\ud800']) {
    t.is(typeof ask('acquire', { names: [name], limit: 1 }), 'string', JSON.stringify(name))
  }
  const many = Array.from({ length: 65 }, (_, index) => `n${index}`)
  t.is(typeof ask('acquire', { names: many, limit: 1 }), 'string')
  t.is(typeof ask('acquire', { names: many.slice(1), limit: 1 }), 'object')
})

test('whatever a line holds, it is a request or an error', t => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), line => {
      const parsed = parseLine(line)
      t.true('request' in parsed || parsed.error.message.length > 0)
    }),
  )
  fc.assert(
    fc.property(
      fc.constantFrom('acquire', 'release', 'cancel', 'anchor', 'locks', 'status', 'set', 'watch'),
      fc.dictionary(
        fc.constantFrom(
          'names',
          'limit',
          'waitMs',
          'token',
          'id',
          'name',
          'why',
          'value',
          'prefix',
        ),
        fc.jsonValue(),
      ),
      (method, params) => {
        t.true(ask(method, params) !== '')
      },
    ),
  )
})

test('what clients say of themselves fits in 512 bytes: a long command is cut, in whole letters', t => {
  const info = fc.record({
    pid: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    user: fc.string({ maxLength: 32 }),
    command: fc.string({ maxLength: 2000, unit: 'binary' }),
    why: fc.string({ maxLength: 32 }),
  })
  fc.assert(
    fc.property(info, said => {
      const encoded = encodeInfo(said)
      if (encoded === undefined) return
      t.true(Buffer.byteLength(encoded) <= 512)
      const command = (JSON.parse(encoded) as { c?: string }).c ?? ''
      if (command !== said.command) {
        t.true(said.command.startsWith(command.slice(0, -1)))
        t.true(command === '' || command.endsWith('…'))
      }
    }),
  )
  const cut = encodeInfo({ pid: 1, command: 'x'.repeat(9000) }) ?? ''
  t.is(Buffer.byteLength(cut), 512)
  t.is(encodeInfo({ why: 'w'.repeat(505) }), undefined)
})

test('whatever another host sends as info, what cannot be shown is left out', t => {
  t.deepEqual(decodeInfo('{"p":1,"u":"a","c":"b","w":"c"}'), {
    pid: 1,
    user: 'a',
    command: 'b',
    why: 'c',
  })
  for (const text of ['', '[]', 'null', '7', '{"p":1.5,"u":[],"c":{},"w":""}']) {
    t.deepEqual(decodeInfo(text), {}, text)
  }
  t.is(decodeInfo('{"w":"a\\u0000\\u2028b"}').why, 'a  b')
})
