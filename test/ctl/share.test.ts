import test from 'ava'
import fc from 'fast-check'
import {
  apply,
  Keyboard,
  lastCharacter,
  splitAtCharacter,
  type Edit,
} from '../../src/ctl/variables/edits.ts'
import { tail, width } from '../../src/ctl/variables/screen.ts'
import { FakeVariables } from '../helpers/fake-variables.ts'

function typed(...chunks: string[]): string {
  const keyboard = new Keyboard()
  return chunks
    .map(chunk => keyboard.read(Buffer.from(chunk, 'latin1')))
    .map(({ edits, isEnd }) => edits.map(shown).join('') + (isEnd ? '.' : ''))
    .join('|')
}

function shown(edit: Edit): string {
  return edit.type === 'erase' ? '<' : edit.bytes.toString()
}

test('keys are text, Backspace, Enter, or nothing', t => {
  t.is(typed('a', 'bc'), 'a|bc')
  t.is(typed('ab\x7fc\b'), 'ab<c<')
  t.is(typed('a\rb\tc'), 'a\nb\tc')
  t.is(typed('a\x1b[Ab\x1bOPc\x1b[1;5Cd\x1bxe'), 'abcde')
  t.is(typed('a\x1b', '[', '3', '~b'), 'a|||b')
  t.is(typed('\x1b\x7f'), '<')
  t.is(typed('\x01\x00a\x1ab'), 'ab')
  t.is(typed('last\x03'), 'last.')
  t.is(typed('a\x04b'), 'a.')
  t.is(typed('\xc3', '\xa9\xf0\x9f', '\x98\x80'), '|é|😀')
})

test('Backspace takes what people see as one character', t => {
  const length = (text: string): number => lastCharacter(Buffer.from(text))
  t.is(length(''), 0)
  t.is(length('ab'), 1)
  t.is(length('aé'), 2)
  t.is(length('e\u0301'), 3)
  t.is(length('a😀'), 4)
  t.is(length('x👩‍👩‍👧'), 18)
  t.is(length('é'.repeat(1000)), 2)
  t.is(lastCharacter(Buffer.from([0xff, 0xfe])), 1)
  t.is(lastCharacter(Buffer.from([0xff, 0xc3, 0xa9])), 2)
})

test('edits are applied in order; what does not fit is left out', t => {
  const append = (text: string): Edit => ({ type: 'append', bytes: Buffer.from(text) })
  const erase: Edit = { type: 'erase' }
  t.is(
    apply(Buffer.from('x'), [
      append('ab'),
      erase,
      append('c'),
      erase,
      erase,
      erase,
    ]).bytes.toString(),
    '',
  )
  const full = apply(Buffer.alloc(65_535, 'x'), [append('yz'), append('!')])
  t.true(full.isFull)
  t.is(full.bytes.length, 65_536)
  t.is(full.bytes.at(-1), 0x21)
})

test('bytes are split between characters, and nothing is lost', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (text, at) => {
      const bytes = Buffer.from(text)
      const cut = bytes.length === 0 ? 0 : at % (bytes.length + 1)
      const [whole, rest] = splitAtCharacter(bytes.subarray(0, cut))
      t.is(Buffer.from(whole.toString()).compare(whole), 0)
      t.deepEqual(Buffer.concat([whole, rest, bytes.subarray(cut)]), bytes)
      t.true(rest.length <= 3)
    }),
  )
})

test('of a long value the end is shown, and never more than there is room for', t => {
  t.is(tail(Buffer.from('short'), 10), 'short')
  t.is(tail(Buffer.from('0123456789'), 10), '0123456789')
  t.is(tail(Buffer.from('0123456789a'), 10), '…3456789a'.replace('3', '23'))
  t.is(tail(Buffer.from('a\n\x1b[31m\\'), 40), 'a\\n\\x1b[31m\\\\')
  t.is(tail(Buffer.from([0xff, 0x41]), 40), '\\xffA')
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.integer({ min: 2, max: 40 }),
      (text, columns) => {
        t.true(width(tail(Buffer.from(text), columns)) <= columns)
      },
    ),
  )
})

test('a pipe is appended, and each new value is a line', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'a')
  const running = fake.run(t, ['share', 'x'])
  await running.says(/^a\n/)
  await fake.watched()
  running.process.stdin?.write('b')
  await running.says(/^ab\n/m)
  fake.write('x', 'ab!')
  await running.says(/^ab!\n/m)
  running.process.stdin?.end('c\n')
  t.is(await running.ended, 0)
  t.is(running.stdout, 'a\nab\nab!\nab!c\\n\n')
  t.is(running.stderr, '')
  t.is(fake.value('x'), 'ab!c\n')
})

test('what others write at the same time costs nothing that was typed, and doubles nothing', async t => {
  const fake = await FakeVariables.start(t)
  const sharers = ['a', 'b', 'c'].map(letter => ({ letter, running: fake.run(t, ['share', 'x']) }))
  await fake.watched(3)
  const others = setInterval(() => fake.write('x', `${fake.text('x')}z`), 7)
  for (let round = 0; round < 30; round++) {
    for (const { letter, running } of sharers) running.process.stdin?.write(`${letter}${round} `)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  for (const { running } of sharers) {
    running.process.stdin?.end()
    t.is(await running.ended, 0)
  }
  clearInterval(others)
  const text = fake.text('x').replaceAll('z', '')
  for (const { letter } of sharers) {
    const theirs = text.match(new RegExp(`${letter}\\d+ `, 'g')) ?? []
    t.deepEqual(
      theirs,
      Array.from({ length: 30 }, (_, round) => `${letter}${round} `),
    )
  }
})

test('a write without an answer is looked for, and made again only if it took no effect', async t => {
  for (const isDone of [true, false]) {
    const fake = await FakeVariables.start(t)
    fake.write('x', '1')
    const running = fake.run(t, ['share', 'x'])
    await fake.watched()
    const data = { effect: 'unknown' }
    fake.mishaps.push({ method: 'set', code: 'noMajority', data, isDone })
    running.process.stdin?.write('2')
    const says = isDone ? /has taken effect after all/ : /took no effect: it is made again/
    await running.says(says, 'stderr')
    running.process.stdin?.end('3')
    t.is(await running.ended, 0)
    t.is(fake.value('x'), '123')
    t.regex(running.stderr, /as the test wants it.*; what was typed last is not written yet/)
  }
})

test('a write without an answer is known from the history where others have written since', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', '1')
  const running = fake.run(t, ['share', 'x'])
  await fake.watched()
  fake.mishaps.push({ method: 'set', isCut: true, isDone: true })
  fake.mishaps.push({ method: 'get', code: 'noMajority', data: { effect: 'none' } })
  running.process.stdin?.write('2')
  await running.says(/is not known/, 'stderr')
  fake.write('x', '12 and more')
  running.process.stdin?.end('3')
  t.is(await running.ended, 0)
  t.is(fake.value('x'), '12 and more3')
})

test('without a majority it waits, and at the end says what is not written', async t => {
  const fake = await FakeVariables.start(t)
  const running = fake.run(t, ['share', 'x'])
  await fake.watched()
  fake.majority = false
  running.process.stdin?.write('a')
  await running.says(/no majority of hosts; what was typed last is not written yet/, 'stderr')
  fake.majority = true
  await running.says(/^a\n/)
  fake.majority = false
  running.process.stdin?.end('b')
  t.is(await running.ended, 69)
  t.regex(
    running.stderr,
    /what was typed last may not be in x \(lamportctl get x; lamportctl status\)\n$/,
  )
  t.is(fake.value('x'), 'a')
})

test('a value that is full is said, and is exit code 1', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'x'.repeat(65_535))
  const { code, stderr } = await fake.ran(t, ['share', 'x'], { input: 'yz' })
  t.is(code, 1)
  t.regex(stderr, /the variable is full: .* \(.*\)\n/)
  t.is(fake.now('x').version, 1)
})

test('a signal ends it', async t => {
  const fake = await FakeVariables.start(t)
  const running = fake.run(t, ['share', 'x'])
  await fake.watched()
  running.kill('SIGTERM')
  t.is(await running.ended, 'SIGTERM')
  t.is(running.stderr, '')
})
