import test from 'ava'
import { parseLine } from '../../../src/examples/bank/line.ts'
import { formatCents, parseAmount } from '../../../src/examples/bank/money.ts'

test('an amount is read to the cent, and written as people write it', t => {
  const amounts: Record<string, [cents: number, text: string]> = {
    '4': [400, '$4'],
    $4: [400, '$4'],
    '4.50': [450, '$4.50'],
    '$4.5': [450, '$4.50'],
    '0.01': [1, '$0.01'],
    '0': [0, '$0'],
    '1.10': [110, '$1.10'],
    '9999999999999.99': [999_999_999_999_999, '$9999999999999.99'],
  }
  for (const [text, [cents, formatted]] of Object.entries(amounts)) {
    t.deepEqual(parseAmount(text), { cents }, text)
    t.is(formatCents(cents), formatted)
  }
})

test('what is not an amount is refused, and said why', t => {
  const reasons: Record<string, RegExp> = {
    '': /is empty/,
    '-4': /less than nothing/,
    '$-4': /less than nothing/,
    '-$4': /less than nothing/,
    abc: /is not an amount/,
    NaN: /is not an amount/,
    Infinity: /is not an amount/,
    '1e99': /is not an amount/,
    '0x10': /is not an amount/,
    '4,50': /is not an amount/,
    ' 4': /is not an amount/,
    '4 ': /is not an amount/,
    '+4': /is not an amount/,
    '4.': /is not an amount/,
    '.5': /is not an amount/,
    '1_000': /is not an amount/,
    '٤': /is not an amount/,
    '4\n': /is not an amount/,
    $$4: /is not an amount/,
    '4.505': /fractions of a cent/,
    '4.000': /fractions of a cent/,
    '10000000000000.01': /more than there is/,
    [`1${'0'.repeat(400)}`]: /more than there is/,
  }
  for (const [text, reason] of Object.entries(reasons)) {
    const amount = parseAmount(text)
    t.regex('problem' in amount ? amount.problem : '', reason, text)
  }
})

test('a line that cannot be meant is refused, with what to write instead', t => {
  const problems: [string, RegExp][] = [
    ['', /no command/],
    ['transfr 1 2 4', /did you mean transfer\?/],
    ['transfer 1 2', /takes FROM, TO and AMOUNT/],
    ['transfer 1 2 3 4', /takes FROM, TO and AMOUNT/],
    ['transfer 1 1 4', /1 cannot pay itself/],
    ['transfer 1 2 0', /nothing is paid/],
    ['transfer 1 2 0.00', /nothing is paid/],
    ['transfer 1 2 -4', /"-4" is less than nothing/],
    ['transfer 1 2 -$4', /"-\$4" is less than nothing/],
    ['transfer -- 1 2 -4', /"-4" is less than nothing/],
    ['transfer --with 4 1 2 4', /only open takes --with/],
    ['transfer 1 2 4 --delay 5', /--delay is a duration/],
    ['transfer 1 2 4 --wait 5s', /--wait is a number of seconds/],
    ['transfer a/b 2 4', /"a\/b" is not a name for an account/],
    ['transfer __proto__ 2 4', /is not a name for an account/],
    ['open', /at least one NAME/],
    ['open 1 1', /named twice/],
    ['open 1 --with=-1', /"-1" is less than nothing/],
    ['balance', /one NAME/],
    ['balance 1 2', /one NAME/],
    ['table 1', /takes no argument/],
    ['table --delay 1s', /only open and transfer take --delay/],
    ['table --local', /^unknown option '--local'$/],
    ['table --socket', /^option '--socket <value>' argument missing$/],
  ]
  for (const [text, problem] of problems) {
    const line = parseLine(text === '' ? [] : text.split(' '))
    t.regex('problem' in line ? line.problem : '', problem, text)
  }
  const line = parseLine(['--json', 'transfer', '-w', '2.5', '1', '2', '$4', '--delay', '1m'])
  t.like(line, {
    order: { type: 'append', entry: { type: 'transfer', from: '1', to: '2', cents: 400 } },
    isJson: true,
    waitMs: 2500,
    delayMs: 60_000,
  })
})
