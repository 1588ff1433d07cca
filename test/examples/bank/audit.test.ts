import { createHash } from 'node:crypto'
import test from 'ava'
import { audit, type Found } from '../../../src/examples/bank/audit.ts'
import { blockAfter, parseBlock } from '../../../src/examples/bank/block.ts'
import type { Block, Entry } from '../../../src/examples/bank/block.ts'

const HOST = 'host-1'

function pays(from: string, to: string, cents: number): Entry {
  return { type: 'transfer', from, to, cents }
}

/** Blocks with tokens 10, 20, 30 … */
function chainOf(...entries: readonly Entry[]): readonly Block[] {
  const blocks: Block[] = []
  for (const entry of entries) {
    const block = blockAfter(blocks.at(-1), entry, { token: 10 * (blocks.length + 1), host: HOST })
    if ('problem' in block) throw new Error(block.problem)
    blocks.push(block)
  }
  return blocks
}

const good = chainOf(
  { type: 'open', accounts: ['1', '2', '3'], cents: 1000 },
  pays('1', '2', 400),
  pays('2', '3', 500),
  { type: 'open', accounts: ['four'], cents: 250 },
  pays('3', 'four', 1),
)

/** As they would be read. */
function read(texts: readonly string[]): readonly Found[] {
  return texts.map(text => ({ block: parseBlock(text) }))
}

const texts = good.map(({ text }) => text)

/** With the text of one block changed. */
function changed(number: number, change: (text: string) => string): readonly Found[] {
  return read(texts.map((text, at) => (at === number ? change(text) : text)))
}

/** With other content, and the hash that goes with it. */
function resealed(text: string, change: (body: string) => string): string {
  const body = change(text.slice(text.indexOf('\n') + 1))
  return `${createHash('sha256').update(body).digest('hex')}\n${body}`
}

test('a block is read as it was written', t => {
  for (const block of good) t.deepEqual(parseBlock(block.text), block)
  t.is(audit(read(texts)), undefined)
  t.is(audit([]), undefined)
})

test('any character of any block that is changed is found, and the block is named', t => {
  for (const [number, text] of texts.entries()) {
    for (let at = 0; at < text.length; at += 1) {
      const flipped = String.fromCharCode(text.charCodeAt(at) ^ 1)
      const found = changed(number, () => text.slice(0, at) + flipped + text.slice(at + 1))
      t.is(audit(found)?.number, number, `character ${at} of block ${number}`)
    }
  }
})

test('a block whose hash was changed with it is known by the next one', t => {
  for (const number of [0, 1, 2, 3]) {
    const found = changed(number, text => resealed(text, body => body.replace('host-1', 'host-2')))
    const problem = `it is not the block that block ${number + 1} follows`
    t.deepEqual(audit(found), { number, problem })
  }
})

test('of several bad blocks the first is named', t => {
  const bad = read(texts.map((text, at) => (at === 1 || at === 3 ? `${text} ` : text)))
  t.deepEqual(audit(bad), { number: 1, problem: 'its hash is not that of its content' })
})

test('a block that is missing, or is something else, is named', t => {
  const missing = [
    ...read(texts.slice(0, 2)),
    { block: parseBlock(undefined) },
    ...read(texts.slice(3)),
  ]
  t.deepEqual(audit(missing), { number: 2, problem: 'it is missing' })
  t.deepEqual(audit(changed(2, () => 'hello')), { number: 2, problem: 'it is not a block' })
  t.deepEqual(audit(changed(2, text => resealed(text, () => '{}'))), {
    number: 2,
    problem: 'it is not a block',
  })
  t.is(audit(read([...texts.slice(0, 2), ...texts.slice(3)]))?.number, 1)
})

test('this host has another copy than a majority: the block is named', t => {
  const found = read(texts).map((each, at) => (at === 2 ? { ...each, copy: 'it differs' } : each))
  t.deepEqual(audit(found), { number: 2, problem: 'it differs' })
})

/** A whole chain by somebody who knows the rules of hashes, and not those of money. */
function forged(number: number, change: (body: string) => string): readonly Found[] {
  const made: string[] = []
  for (const [at, { text, previous }] of good.entries()) {
    const before = made[at - 1]?.slice(0, 64)
    const linked = (body: string): string =>
      before === undefined ? body : body.replace(previous, before)
    made.push(resealed(text, body => linked(at === number ? change(body) : body)))
  }
  return read(made)
}

test('with every hash as it should be, tokens and money are looked at', t => {
  const cases: [number, string, string, RegExp][] = [
    [2, '"token":30', '"token":20', /its token 20 is not higher than 20, that of the block before/],
    [2, '"token":30', '"token":3', /its token 3 is not higher than 20/],
    [1, '"cents":400', '"cents":300', /1 has \$6 after it, and should have \$7/],
    [1, '"2":1400', '"2":1500', /2 has \$15 after it, and should have \$14/],
    [1, '"cents":400', '"cents":1001', /insufficient funds: 1 has \$10 and cannot pay \$10\.01/],
    [1, '"cents":400', '"cents":-400', /it is not a block/],
    [1, '"cents":400', '"cents":4.5', /it is not a block/],
    [1, '"cents":400', '"cents":0', /it pays nothing/],
    [1, '"to":"2"', '"to":"1"', /1 pays itself/],
    [1, '"to":"2"', '"to":"nobody"', /there is no account nobody/],
    [2, ',"3":1500', '', /3 has no account after it/],
    [2, ',"3":1500', ',"3":1500,"5":7', /5 has \$0\.07 after it, and should have \$0/],
    [3, '["four"]', '["1"]', /the account 1 is there already/],
    [2, '"number":2', '"number":7', /it says that it is block 7/],
    [0, '"previous":"0', '"previous":"1', /it is the first, and follows another/],
  ]
  for (const [number, from, to, problem] of cases) {
    const fault = audit(forged(number, body => body.replace(from, to)))
    t.is(fault?.number, number, `${from} → ${to}`)
    t.regex(fault?.problem ?? '', problem)
  }
  t.is(audit(forged(9, body => body)), undefined)
})
