import { createHash } from 'node:crypto'
import { CENTS_MAX, formatCents } from './money.ts'

/** By account, in cents. */
export type Balances = ReadonlyMap<string, number>

/** What a block does. */
export type Entry =
  /** New accounts, each with so much money from outside; the first block does that. */
  | { readonly type: 'open'; readonly accounts: readonly string[]; readonly cents: number }
  | {
      readonly type: 'transfer'
      readonly from: string
      readonly to: string
      readonly cents: number
    }

/** What a block says beside its hash. */
type Content = {
  readonly number: number
  /** The hash of the block before. */
  readonly previous: string
  /** The fencing token of the lock that it was written under. */
  readonly token: number
  /** Whose client wrote it. */
  readonly host: string
  readonly entry: Entry
  /** All accounts, after it: so that who pays next need not read the whole chain. */
  readonly balances: Balances
}

/** A block of the chain. It is never changed: the next one knows its hash. */
export type Block = Content & {
  /** SHA-256 of `text` from its second line on, in hexadecimal. */
  readonly hash: string
  /** As it stands in a variable: the hash, a newline, and the content as JSON. */
  readonly text: string
}

export type Problem = { readonly problem: string }

/** What the first block has in the place of a hash. */
export const NO_HASH: string = '0'.repeat(64)

/** All balances stand in each block, which has to fit into a variable. */
const ACCOUNTS_MAX = 1000

const ACCOUNT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/

/** What is wrong with the name of an account and what to do, or `undefined`. */
export function checkAccount(name: string): string | undefined {
  if (isAccount(name)) return undefined
  const form = 'letters, digits, and . _ - between them, at most 32'
  return `${JSON.stringify(name)} is not a name for an account (${form})`
}

/** Why this can never be done by any bank: no block with it could be read. Or `undefined`. */
export function checkEntry(entry: Entry): string | undefined {
  const isPaid = entry.type === 'transfer'
  const names = isPaid ? [entry.from, entry.to] : entry.accounts
  if (names.length === 0) return 'no account is named (name at least one)'
  const wrong = names.map(checkAccount).find(problem => problem !== undefined)
  if (wrong !== undefined) return wrong
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined && isPaid) return `${twice} cannot pay itself (name another account)`
  if (twice !== undefined) return `the account ${twice} is named twice (name it once)`
  const { cents } = entry
  if (isPaid && cents === 0) return 'nothing is paid (the least amount is 0.01)'
  if (isCount(cents) && cents <= CENTS_MAX) return undefined
  return `${cents} is no number of cents (a whole one, from 0 to ${CENTS_MAX})`
}

/** The block that comes after another, or first; or why there can be none. */
export function blockAfter(
  newest: Block | undefined,
  entry: Entry,
  author: { readonly token: number; readonly host: string },
): Block | Problem {
  const problem = checkEntry(entry)
  if (problem !== undefined) return { problem }
  const balances = balancesAfter(newest?.balances, entry)
  if ('problem' in balances) return balances
  const number = newest === undefined ? 0 : newest.number + 1
  return sealed({ number, previous: newest?.hash ?? NO_HASH, ...author, entry, balances })
}

/** Why this can never be done, whatever the balances are; or `undefined`. */
export function checkAccounts(balances: Balances | undefined, entry: Entry): string | undefined {
  if (entry.type === 'transfer') {
    if (balances === undefined) {
      return 'there is no bank yet (begin it: lamport-bank open 1 2 3 --with 10)'
    }
    const unknown = [entry.from, entry.to].find(name => !balances.has(name))
    if (unknown === undefined) return undefined
    return `there is no account ${unknown} (open it: lamport-bank open ${unknown})`
  }
  const known = entry.accounts.find(name => balances?.has(name))
  if (known !== undefined) return `the account ${known} is there already (nothing was opened)`
  const count = (balances?.size ?? 0) + entry.accounts.length
  if (count <= ACCOUNTS_MAX) return undefined
  return `that would be ${count} accounts, at most ${ACCOUNTS_MAX} are possible (use another --bank)`
}

/** The balances that come of it, or why it cannot be. */
export function balancesAfter(balances: Balances | undefined, entry: Entry): Balances | Problem {
  const problem = checkAccounts(balances, entry)
  if (problem !== undefined) return { problem }
  const after = new Map(balances)
  if (entry.type === 'open') {
    for (const name of entry.accounts) after.set(name, entry.cents)
    if (sumOf(after) <= CENTS_MAX) return after
    return { problem: 'that is more money than there is (open with less)' }
  }
  const { from, to, cents } = entry
  const had = after.get(from) ?? 0
  if (had < cents) {
    const what = `insufficient funds: ${from} has ${formatCents(had)}`
    return { problem: `${what} and cannot pay ${formatCents(cents)} (nothing was changed)` }
  }
  after.set(from, had - cents)
  after.set(to, (after.get(to) ?? 0) + cents)
  return after
}

/** All money there is, in cents. */
export function sumOf(balances: Balances): number {
  return [...balances.values()].reduce((sum, cents) => sum + cents, 0)
}

/** By name; numbers come first, and 2 before 10. */
export function sortedAccounts(balances: Balances): readonly (readonly [string, number])[] {
  const isNumber = (name: string): boolean => /^\d{1,15}$/.test(name)
  return [...balances].sort(([a], [b]) => {
    if (isNumber(a) && isNumber(b)) return Number(a) - Number(b) || (a < b ? -1 : 1)
    if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1
    return a < b ? -1 : 1
  })
}

/** `genesis`, `1 pays 2 $4`, `4 opens with $10`. */
export function describe({ number, entry }: Pick<Block, 'number' | 'entry'>): string {
  if (entry.type === 'transfer') {
    return `${entry.from} pays ${entry.to} ${formatCents(entry.cents)}`
  }
  if (number === 0) return 'genesis'
  const [one, ...others] = entry.accounts
  const amount = formatCents(entry.cents)
  if (others.length === 0) return `${one ?? ''} opens with ${amount}`
  return `${entry.accounts.join(', ')} open with ${amount} each`
}

/** For programs. */
export function blockJson(block: Block): object {
  const { number, previous, token, host, hash, entry } = block
  const balances = Object.fromEntries(sortedAccounts(block.balances))
  return { number, previous, token, host, hash, ...entry, balances }
}

function sealed(content: Content): Block {
  const { number, previous, token, host, entry, balances } = content
  const fields = { number, previous, token, host, ...fieldsOf(entry) }
  const body = JSON.stringify({ ...fields, balances: Object.fromEntries(balances) })
  const hash = hashOf(body)
  return { ...content, hash, text: `${hash}\n${body}` }
}

/** An entry that has more to it, such as what `blockJson` made, changes nothing else of a block. */
function fieldsOf(entry: Entry): Entry {
  const { type, cents } = entry
  if (type === 'open') return { type, accounts: entry.accounts, cents }
  return { type, from: entry.from, to: entry.to, cents }
}

function hashOf(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}

/** Reads a block as it stands in a variable; or what is wrong with it. */
export function parseBlock(value: string | Uint8Array | undefined): Block | Problem {
  if (value === undefined) return { problem: 'it is missing' }
  const lines = typeof value === 'string' ? /^([0-9a-f]{64})\n([^\n]*)$/.exec(value) : null
  if (lines === null) return { problem: 'it is not a block' }
  const [text, hash = '', body = ''] = lines
  // What it says counts for nothing before this.
  if (hashOf(body) !== hash) return { problem: 'its hash is not that of its content' }
  const content = parseContent(parseJson(body))
  return content === undefined ? { problem: 'it is not a block' } : { ...content, hash, text }
}

function parseContent(value: unknown): Content | undefined {
  if (!isObject(value)) return undefined
  const { number, previous, token, host } = value
  const [entry, balances] = [parseEntry(value), parseBalances(value.balances)]
  if (!isCount(number) || !isCount(token) || entry === undefined || balances === undefined) {
    return undefined
  }
  if (typeof previous !== 'string' || !/^[0-9a-f]{64}$/.test(previous)) return undefined
  if (typeof host !== 'string' || /\p{Cc}/u.test(host)) return undefined
  return { number, previous, token, host, entry, balances }
}

function parseEntry(value: Readonly<Record<string, unknown>>): Entry | undefined {
  const { type, accounts, from, to, cents } = value
  if (!isCount(cents)) return undefined
  if (type === 'transfer' && isAccount(from) && isAccount(to)) return { type, from, to, cents }
  if (type !== 'open' || !Array.isArray(accounts) || !accounts.every(isAccount)) return undefined
  return { type, accounts, cents }
}

function parseBalances(value: unknown): Balances | undefined {
  if (!isObject(value)) return undefined
  const balances = new Map<string, number>()
  for (const [name, cents] of Object.entries(value)) {
    if (!isAccount(name) || !isCount(cents)) return undefined
    balances.set(name, cents)
  }
  return balances
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isAccount(value: unknown): value is string {
  return typeof value === 'string' && ACCOUNT.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
