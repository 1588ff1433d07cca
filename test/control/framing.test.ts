import test from 'ava'
import fc from 'fast-check'
import { encodeLine, LineReader, type Line } from '../../src/control/framing.ts'
import { LINE_BYTES_MAX } from '../../src/control/protocol.ts'

function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const at = [0, ...places.map(place => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

function read(chunks: readonly Uint8Array[]): readonly Line[] {
  const reader = new LineReader()
  return chunks.flatMap(chunk => {
    // The chunk's memory is used again by whoever read it.
    const copy = Uint8Array.from(chunk)
    const lines = reader.push(copy)
    copy.fill(0x78)
    return lines
  })
}

test('any chunking of a stream gives the same lines', t => {
  const text = fc.array(fc.string({ unit: 'binary' }).map(line => line.replaceAll('\n', ' ')))
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (lines, places) => {
      const bytes = Buffer.from(lines.map(line => line + '\n').join(''))
      const expected = lines.map(line => ({ type: 'line', text: line }))
      t.deepEqual(read(cut(bytes, places)), expected as Line[])
    }),
  )
})

test('any bytes in any chunks never throw, and chunking still makes no difference', t => {
  const bytes = fc
    .array(fc.oneof(fc.constant(0x0a), fc.nat(255)), { maxLength: 60 })
    .map(list => Uint8Array.from(list))
  fc.assert(
    fc.property(bytes, fc.array(fc.nat()), (stream, places) => {
      t.deepEqual(read(cut(stream, places)), read([stream]))
    }),
  )
})

test('a line that is not UTF-8 is told as such, and the next one is read', t => {
  const lines = read([Buffer.from([0xff, 0x0a]), Buffer.from('{}\n')])
  t.deepEqual(lines, [{ type: 'not-utf8' }, { type: 'line', text: '{}' }])
})

test('a line of the greatest length is read, one byte more ends the reading', t => {
  const longest = Buffer.alloc(LINE_BYTES_MAX, 'a')
  const lines = read([longest, Buffer.from('\n')])
  t.deepEqual(
    lines.map(line => line.type),
    ['line'],
  )
  const reader = new LineReader()
  t.deepEqual(reader.push(longest), [])
  t.deepEqual(reader.push(Buffer.from('a')), [{ type: 'too-long' }])
  t.deepEqual(reader.push(Buffer.from('\n{}\n')), [])
})

test('a line that the other side would not read is not encoded', t => {
  t.is(encodeLine({ a: 'ö\n' }), '{"a":"ö\\n"}\n')
  t.is(encodeLine('a'.repeat(LINE_BYTES_MAX - 2))?.length, LINE_BYTES_MAX + 1)
  t.is(encodeLine('a'.repeat(LINE_BYTES_MAX - 1)), undefined)
})
