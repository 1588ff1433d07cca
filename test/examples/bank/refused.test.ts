import test from 'ava'
import { LamportError, type LamportErrorCode, type Variable } from '../../../src/client/client.ts'
import { audit } from '../../../src/examples/bank/audit.ts'
import { Bank, BankError, type BankClient } from '../../../src/examples/bank/bank.ts'
import { blockAfter, blockJson, parseBlock } from '../../../src/examples/bank/block.ts'
import type { Block, Entry } from '../../../src/examples/bank/block.ts'

const AUTHOR = { token: 10, host: 'host-1' }

/** Beside what no amount is: what is none of a transfer, or of an account that opens. */
const NO_CENTS: readonly [cents: unknown, problem: RegExp][] = [
  [-1, /^-1 is no number of cents/],
  [-400, /^-400 is no number of cents/],
  [NaN, /^NaN is no number of cents/],
  [Infinity, /^Infinity is no number of cents/],
  [-Infinity, /^-Infinity is no number of cents/],
  [0.5, /^0\.5 is no number of cents \(a whole one, from 0 to 1000000000000000\)$/],
  [400.0000001, /is no number of cents/],
  [10 ** 15 + 1, /is no number of cents/],
  [Number.MAX_SAFE_INTEGER, /is no number of cents/],
  [Number.MAX_SAFE_INTEGER + 1, /is no number of cents/],
  [Number.MAX_VALUE, /is no number of cents/],
  ['400', /^400 is no number of cents/],
  [null, /^null is no number of cents/],
]

/** What no bank can do, whatever its balances are. */
const NEVER: readonly [entry: Entry, problem: RegExp][] = [
  ...NO_CENTS.flatMap(([cents, problem]): [Entry, RegExp][] => [
    [pays('1', '2', cents as number), problem],
    [opens(['new'], cents as number), problem],
  ]),
  [pays('1', '2', 0), /^nothing is paid \(the least amount is 0\.01\)$/],
  [pays('1', '2', -0), /^nothing is paid/],
  [pays('1', '1', 1), /^1 cannot pay itself \(name another account\)$/],
  [pays('nobody', 'nobody', 1), /^nobody cannot pay itself/],
  [pays('1', '__proto__', 1), /^"__proto__" is not a name for an account/],
  [pays(1 as unknown as string, '2', 1), /^1 is not a name for an account/],
  [opens([]), /^no account is named/],
  [opens(['a b']), /^"a b" is not a name for an account/],
  [opens([7 as unknown as string]), /^7 is not a name for an account/],
  [opens(['x', 'y', 'x']), /^the account x is named twice/],
]

/** What this bank cannot do: it has accounts 1 and 2. */
const NOT_HERE: readonly [entry: Entry, problem: RegExp][] = [
  [pays('1', '9', 1), /^there is no account 9 \(open it: lamport-bank open 9\)$/],
  [pays('9', '1', 1), /^there is no account 9/],
  [opens(['3', '1']), /^the account 1 is there already \(nothing was opened\)$/],
]

function pays(from: string, to: string, cents: number): Entry {
  return { type: 'transfer', from, to, cents }
}

function opens(accounts: readonly string[], cents: number = 0): Entry {
  return { type: 'open', accounts, cents }
}

function made(entry: Entry, newest?: Block, token: number = AUTHOR.token): Block {
  const block = blockAfter(newest, entry, { ...AUTHOR, token })
  if ('problem' in block) throw new Error(block.problem)
  return block
}

const genesis = made(opens(['1', '2'], 1000))

/** Has a head, gives no lock, and remembers what was asked beside reading. */
class LocklessClient implements BankClient {
  readonly host = { id: 1, name: 'host-1' }
  readonly asked: string[] = []
  readonly #head: string | undefined
  readonly #code: LamportErrorCode

  constructor(head: string | undefined, code: LamportErrorCode = 'notAcquired') {
    this.#head = head
    this.#code = code
  }

  get(name: string): Promise<Variable> {
    const value = name === 'bank/head' ? this.#head : undefined
    return Promise.resolve({ name, value, version: value === undefined ? 0 : 1, writer: undefined })
  }

  set(name: string): Promise<never> {
    this.asked.push(`set ${name}`)
    return Promise.reject(new Error('nothing is to be written'))
  }

  lock(): Promise<never> {
    this.asked.push('lock')
    return Promise.reject(new LamportError(this.#code, 'there is none'))
  }

  vars(): AsyncGenerator<never, void, undefined> {
    throw new Error('nobody lists anything here')
  }
}

test('what can never be done is refused before anything is locked or written', async t => {
  for (const [head, cases] of [
    [genesis.text, [...NEVER, ...NOT_HERE]],
    [undefined, [...NEVER, [pays('1', '2', 1), /^there is no bank yet/] as const]],
  ] as const) {
    const client = new LocklessClient(head)
    for (const [entry, problem] of cases) {
      const error = await t.throwsAsync(new Bank(client).append(entry), { instanceOf: BankError })
      t.is(error.code, 'refused')
      t.regex(error.message, problem)
    }
    t.deepEqual(client.asked, [])
  }
})

test('what can be done asks for the lock', async t => {
  for (const entry of [pays('1', '2', 1), pays('2', '1', 10 ** 15), opens(['3', 'four'], 0)]) {
    const client = new LocklessClient(genesis.text)
    await t.throwsAsync(new Bank(client).append(entry), { message: /was not to be had in time/ })
    t.deepEqual(client.asked, ['lock'])
  }
})

test('a lock that is over when its holder hears of it was lost, and nothing was changed', async t => {
  const bank = new Bank(new LocklessClient(genesis.text, 'lost'))
  const error = await t.throwsAsync(bank.append(pays('1', '2', 1)), { instanceOf: BankError })
  t.is(error.code, 'lost')
  t.is(error.message, 'there is none (nothing was changed: try again)')
})

test('no block is made that could not be read', t => {
  for (const [entry, problem] of [...NEVER, ...NOT_HERE]) {
    const block = blockAfter(genesis, entry, { ...AUTHOR, token: 20 })
    t.regex('problem' in block ? block.problem : '', problem)
  }
  const most = made(opens(['rich'], 10 ** 15 - 2000), genesis, 20)
  t.deepEqual(parseBlock(most.text), most)
  const more = blockAfter(most, opens(['more'], 1), { ...AUTHOR, token: 30 })
  t.like(more, { problem: 'that is more money than there is (open with less)' })
})

test('an entry with the fields of a whole block gets no token or number of its own', t => {
  const paid = made(pays('1', '2', 400), genesis, 20)
  const again = made({ ...blockJson(paid), ...pays('1', '2', 400) }, paid, 30)
  t.deepEqual(parseBlock(again.text), { ...again, entry: pays('1', '2', 400) })
  t.is(audit([genesis, paid, again].map(({ text }) => ({ block: parseBlock(text) }))), undefined)
})
