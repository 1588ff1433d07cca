import test from 'ava'
import { audit } from '../../../src/examples/bank/audit.ts'
import { Bank, BankError, type BankClient } from '../../../src/examples/bank/bank.ts'
import { blockAfter, parseBlock, sumOf } from '../../../src/examples/bank/block.ts'
import type { Block, Entry } from '../../../src/examples/bank/block.ts'
import { LamportError } from '../../../src/client/client.ts'
import { Random } from '../../../src/lib/random.ts'
import { BankSchedule } from '../../helpers/bank-schedule.ts'

const SEEDS = Number(process.env.BANK_SEEDS ?? 400)
const WRITERS = 3
const TRANSFERS = 3

/** How a writer adds a block; rejects with a `BankError` where it did not. */
type Append = (client: BankClient, entry: Entry) => Promise<Block>

/** What came of one seed: what is wrong, or how much was done. */
type Result = { readonly fault: string | undefined; readonly done: number; readonly died: number }

async function play(seed: number, append: Append): Promise<Result> {
  const random = new Random(seed)
  const schedule = new BankSchedule(random)
  const done = new Set<string>()
  const failed = new Set<number>()
  let finished = 0
  const write = async (writer: number): Promise<void> => {
    const client = schedule.client(writer)
    for (let round = 0; round < TRANSFERS; round += 1) {
      // Each amount is there once: a transfer that was done twice shows.
      const cents = round * WRITERS + writer
      const entry: Entry = { type: 'transfer', from: '1', to: '2', cents }
      try {
        done.add((await append(client, entry)).text)
      } catch (error) {
        if (!(error instanceof BankError)) throw error
        if (error.code !== 'uncertain') failed.add(cents)
        if (error.code === 'damaged') throw error
      }
    }
    finished += 1
  }
  const auditor = new Bank(schedule.client(-1))
  const opened = new Bank(schedule.client(-1)).append({
    type: 'open',
    accounts: ['1', '2'],
    cents: 10_000,
  })
  await schedule.play()
  await opened
  schedule.isCalm = false
  let damage: string | undefined
  for (let writer = 1; writer <= WRITERS; writer += 1) {
    write(writer).catch((error: unknown) => (damage = String(error)))
  }
  await schedule.play()
  schedule.isCalm = true
  const reading = auditor.chain()
  await schedule.play()
  const chain = await reading
  const fault = damage ?? faultOf(chain, done, failed)
  return { fault, done: done.size, died: WRITERS - finished }
}

function faultOf(
  chain: Parameters<typeof audit>[0],
  done: ReadonlySet<string>,
  failed: ReadonlySet<number>,
): string | undefined {
  const bad = audit(chain)
  if (bad !== undefined) return `block ${bad.number}: ${bad.problem}`
  const blocks = chain.flatMap(({ block }) => ('problem' in block ? [] : [block]))
  const amounts = blocks.slice(1).map(({ entry }) => entry.cents)
  if (new Set(amounts).size !== amounts.length) return `done twice: ${amounts.join(' ')}`
  const texts = new Set(blocks.map(({ text }) => text))
  if ([...done].some(text => !texts.has(text))) return 'what was done is not in the chain'
  if (amounts.some(cents => failed.has(cents))) return 'what was not done is in the chain'
  if (blocks.some(({ balances }) => sumOf(balances) !== 20_000)) return 'the sum has changed'
  return undefined
}

test.serial(
  'with a lock that keeps nobody out, deaths and doubts, there is one chain in every order',
  async t => {
    t.timeout(600_000)
    const results: Result[] = []
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      results.push(await play(seed, (client, entry) => new Bank(client).append(entry)))
    }
    t.deepEqual(
      results.flatMap(({ fault }, at) => (fault === undefined ? [] : [`seed ${at + 1}: ${fault}`])),
      [],
    )
    const [done, died] = [total(results, 'done'), total(results, 'died')]
    t.log(`${SEEDS} schedules, ${done} transfers done, ${died} writers died`)
    t.true(done > SEEDS && died > SEEDS / 10)
  },
)

type Omission = 'comparison' | 'place' | 'reading' | 'token'

/** What one would write first, and what is left out of it. */
function without(omission: Omission): Append {
  return async (client, entry) => {
    const { token } = await client.lock('bank')
    const { value, version } = await client.get('bank/head')
    const newest = parseBlock(value)
    if ('problem' in newest) throw new Error(newest.problem)
    if (omission !== 'token' && newest.token >= token) throw new BankError('lost', 'late')
    const block = blockAfter(newest, entry, { token, host: client.host.name })
    if ('problem' in block) throw new Error(block.problem)
    try {
      await client.set(`bank/block/${newest.number}`, newest.text)
      // Two who do not know of each other write to the same place, and one of them moves the head.
      if (omission === 'place') await client.set(`bank/block/${block.number}`, block.text)
      const condition = omission === 'comparison' ? {} : { ifVersion: version }
      await client.set('bank/head', block.text, condition)
      return block
    } catch (error) {
      // Without an answer it is begun anew, and nobody looks.
      if (omission === 'reading') return without(omission)(client, entry)
      const isUnknown = error instanceof LamportError && error.code === 'uncertain'
      throw new BankError(isUnknown ? 'uncertain' : 'lost', String(error))
    }
  }
}

for (const omission of ['comparison', 'place', 'reading', 'token'] as const) {
  test.serial(`a bank without its ${omission} is found out`, async t => {
    t.timeout(600_000)
    let [seed, fault]: [number, string | undefined] = [0, undefined]
    while (fault === undefined && seed < SEEDS) {
      seed += 1
      fault = (await play(seed, without(omission))).fault
    }
    t.log(`seed ${seed}: ${fault ?? 'nothing'}`)
    t.truthy(fault)
  })
}

function total(results: readonly Result[], what: 'done' | 'died'): number {
  return results.reduce((sum, result) => sum + result[what], 0)
}
