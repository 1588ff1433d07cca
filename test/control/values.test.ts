import test from 'ava'
import fc from 'fast-check'
import { VALUE_BYTES_MAX } from '../../src/control/protocol.ts'
import { checkValue, decodeValue, encodeValue, readValue } from '../../src/control/values.ts'

test('any bytes come back as they were, by way of JSON', t => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary' }).map(text => new TextEncoder().encode(text)),
  )
  fc.assert(
    fc.property(bytes, value => {
      const field = JSON.parse(JSON.stringify(encodeValue(value))) as ReturnType<typeof encodeValue>
      t.deepEqual(decodeValue(field), { bytes: new Uint8Array(value) })
      const read = readValue(field)
      t.deepEqual(typeof read === 'string' ? new TextEncoder().encode(read) : read, value)
    }),
  )
})

test('text is text, whatever letters it has; what is not UTF-8 is base64', t => {
  const encode = (text: string): unknown => encodeValue(new TextEncoder().encode(text))
  for (const text of ['', 'fünf "5"\n', '\ufeffx', 'a line\n\twith a tab']) t.is(encode(text), text)
  t.deepEqual(encodeValue(new Uint8Array([0xff])), { base64: '/w==' })
  // An overlong form, and half a character, are not UTF-8.
  t.deepEqual(encodeValue(new Uint8Array([0xc0, 0x80])), { base64: 'wIA=' })
  t.deepEqual(encodeValue(new Uint8Array([0xed, 0xa0, 0x80])), { base64: '7aCA' })
})

test('no value takes more than two and a half times its bytes, and programs see text all the same', t => {
  const patterns = ['\0', '\u001f"', '\0aaaaaaa', '\0aaaaaaaa', '"', '\n', '\u007f', 'ü']
  for (const pattern of patterns) {
    const text = pattern.repeat(VALUE_BYTES_MAX / 16 / Buffer.byteLength(pattern))
    const bytes = new TextEncoder().encode(text)
    const field = encodeValue(bytes)
    t.true(Buffer.byteLength(JSON.stringify(field)) <= 2.5 * bytes.length + 20, pattern)
    t.is(readValue(field), text)
  }
})

test('what cannot be a value is refused before it is sent', t => {
  t.is(checkValue('x'.repeat(VALUE_BYTES_MAX)), undefined)
  t.is(checkValue(new Uint8Array(VALUE_BYTES_MAX)), undefined)
  t.regex(checkValue(new Uint8Array(VALUE_BYTES_MAX + 1)) ?? '', /has 65537 bytes, at most 65536/)
  t.regex(checkValue('\udc00') ?? '', /not valid Unicode/)
})
