// A client that pays again and again, until it is killed: `bank-writer.js SOCKET FIRST STEP SEED`.
import { setTimeout as pause } from 'node:timers/promises'
import { connect, LamportError, type Client } from '../../src/client/client.ts'
import { Bank, BankError } from '../../src/examples/bank/bank.ts'
import { Random } from '../../src/lib/random.ts'

const [socket = '', first = '1', step = '1', seed = '1'] = process.argv.slice(2)
const random = new Random(Number(seed))
const accounts = ['1', '2', '3']

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function reach(): Promise<Client> {
  for (;;) {
    try {
      return await connect({ socket })
    } catch (error) {
      if (!(error instanceof LamportError)) throw error
      await pause(50)
    }
  }
}

const client = await reach()
const bank = new Bank(client)
// Each amount is there once, whoever pays it: a transfer that was done twice shows.
for (let cents = Number(first); ; cents += Number(step)) {
  const from = random.pick(accounts)
  const to = random.pick(accounts.filter(name => name !== from))
  say(`try ${cents}`)
  try {
    const block = await bank.append({ type: 'transfer', from, to, cents })
    say(`done ${cents} ${block.hash}`)
  } catch (error) {
    if (error instanceof BankError && error.code !== 'damaged') say(`${error.code} ${cents}`)
    else if (error instanceof LamportError) say(`failed ${cents} ${error.code}`)
    else throw error
    await pause(20)
  }
}
