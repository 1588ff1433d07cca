import test from 'ava'
import { LamportError, type Lock, type Variable } from '../../../src/client/client.ts'
import { Bank, BankError, type BankClient } from '../../../src/examples/bank/bank.ts'
import type { Entry } from '../../../src/examples/bank/block.ts'

const PAYS: Entry = { type: 'transfer', from: '1', to: '2', cents: 400 }

/** What becomes of a write of the head, and what is answered. */
type Fate = 'done' | 'done, no answer' | 'nothing, no answer' | 'no majority' | 'lost, no answer'

/** A client whose writes of the head go as is said, one after the other; the last one goes on. */
class DoubtfulClient implements BankClient {
  readonly host = { id: 1, name: 'host-1' }
  fates: readonly Fate[] = ['done']
  writes = 0
  /** How many reads under the lock find no lamportd; with the last of them the lock may be lost. */
  away = 0
  isLostThen = false
  readonly #variables = new Map<string, Variable>()
  readonly #lost = new AbortController()
  #tokens = 0

  get(name: string): Promise<Variable> {
    if (this.#tokens > 1 && this.away > 0) {
      this.away -= 1
      const gone = new LamportError('disconnected', 'it has ended')
      if (this.away === 0 && this.isLostThen) this.#lost.abort(gone)
      return Promise.reject(gone)
    }
    const nothing = { name, value: undefined, version: 0, writer: undefined }
    return Promise.resolve(this.#variables.get(name) ?? nothing)
  }

  async set(
    name: string,
    value: string | Uint8Array,
    options: {
      readonly ifVersion?: number | undefined
      readonly create?: boolean | undefined
    } = {},
  ): Promise<Variable> {
    const fate = name.endsWith('/head') ? this.#next() : 'done'
    const current = await this.get(name)
    const isWritten = fate === 'done' || fate === 'done, no answer'
    if (fate === 'no majority') throw new LamportError('noMajority', 'nobody there')
    if (isWritten && options.ifVersion !== undefined && options.ifVersion !== current.version) {
      throw new LamportError('versionDiffers', 'it differs', undefined, { current })
    }
    const written = { name, value, version: current.version + 1, writer: undefined }
    if (isWritten) this.#variables.set(name, written)
    if (fate === 'lost, no answer') this.#lost.abort(new LamportError('lost', 'it is over'))
    if (fate !== 'done') throw new LamportError('uncertain', 'no answer')
    return written
  }

  lock(): Promise<Lock> {
    this.#tokens += 1
    const release = (): Promise<void> => Promise.resolve()
    const lost = this.#lost.signal
    return Promise.resolve({
      names: ['bank'],
      mode: 'exclusive' as const,
      token: this.#tokens,
      until: null,
      leaseMs: null,
      lost,
      get isHeld() {
        return !lost.aborted
      },
      release,
      anchor: () => Promise.reject(new Error('there is no socket')),
      [Symbol.asyncDispose]: release,
    })
  }

  vars(): AsyncGenerator<never, void, undefined> {
    throw new Error('nobody lists anything here')
  }

  #next(): Fate {
    const fate = this.fates[Math.min(this.writes, this.fates.length - 1)] ?? 'done'
    this.writes += 1
    return fate
  }
}

async function opened(...fates: readonly Fate[]): Promise<DoubtfulClient> {
  const client = new DoubtfulClient()
  await new Bank(client).append({ type: 'open', accounts: ['1', '2'], cents: 1000 })
  client.fates = fates
  client.writes = 0
  return client
}

/** What was told, how often the head was written, and what account 1 has. */
async function outcome(...fates: readonly Fate[]): Promise<readonly [string, number, number]> {
  const client = await opened(...fates)
  const bank = new Bank(client)
  let told: string
  try {
    told = String((await bank.append(PAYS, { resolveMs: 150 })).number)
  } catch (error) {
    if (error instanceof BankError || error instanceof LamportError) told = error.code
    else throw error
  }
  const newest = await bank.newest()
  return [told, client.writes, newest?.balances.get('1') ?? NaN]
}

test('without an answer the very same is asked again, and nothing is done twice', async t => {
  t.deepEqual(await outcome('done'), ['1', 1, 600])
  t.deepEqual(await outcome('done, no answer', 'done'), ['1', 2, 600])
  t.deepEqual(await outcome('nothing, no answer', 'done'), ['1', 2, 600])
  t.deepEqual(await outcome('nothing, no answer', 'no majority', 'done'), ['1', 3, 600])
  t.deepEqual(await outcome('done, no answer', 'nothing, no answer', 'done'), ['1', 3, 600])
})

test('a first try that came to nothing is told as that', async t => {
  t.deepEqual(await outcome('no majority'), ['noMajority', 1, 1000])
})

test('what was begun is settled, also where the lock is lost meanwhile', async t => {
  t.deepEqual(await outcome('lost, no answer', 'done'), ['1', 2, 600])
})

test('where lamportd ends under it, it is read again for as long as the lock is held', async t => {
  for (const isLostThen of [false, true]) {
    const client = await opened('done')
    Object.assign(client, { away: 2, isLostThen })
    const told = await new Bank(client).append(PAYS).catch((error: unknown) => error)
    if (isLostThen) t.like(told, { code: 'lost', name: 'BankError' })
    else t.like(told, { number: 1 })
    t.is(client.writes, isLostThen ? 0 : 1)
  }
})

test('where nobody answers in the end it is uncertain, and said what to look for', async t => {
  for (const fate of ['nothing, no answer', 'done, no answer'] as const) {
    const bank = new Bank(await opened(fate, 'nothing, no answer'))
    const error = await t.throwsAsync(bank.append(PAYS, { resolveMs: 150 }), {
      instanceOf: BankError,
    })
    t.is(error.code, 'uncertain')
    t.regex(error.message, /^whether "1 pays 2 \$4" is done is not known: .* \(look for block 1: /)
  }
})
