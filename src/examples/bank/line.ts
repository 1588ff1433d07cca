import { parseArgs } from 'node:util'
import { parseDuration } from '../../lib/duration.ts'
import { nearest } from '../../lib/nearest.ts'
import { checkAccount, checkEntry, type Entry, type Problem } from './block.ts'
import { parseAmount } from './money.ts'

/** Longer waits are a mistake of units. */
const WAIT_SECONDS_MAX = 1_000_000

/** What a line of `lamport-bank` asks for. */
export type Order =
  | { readonly type: 'append'; readonly entry: Entry }
  | { readonly type: 'balance'; readonly account: string }
  | { readonly type: 'table' | 'chain' | 'verify' | 'help' | 'version' }

export type Line = {
  readonly order: Order
  readonly socket: string | undefined
  readonly bank: string
  readonly isJson: boolean
  readonly waitMs: number | undefined
  readonly delayMs: number | undefined
}

export const HELP = `Usage: lamport-bank [OPTION...] COMMAND

A bank without a server: a chain of blocks in the shared variables of lamportd, that is the same on
every host. An example of what the client library of lamportd is for; no real money.

Commands:
  open NAME...             opens accounts; the first ones begin the bank
  transfer FROM TO AMOUNT  pays; AMOUNT is like 4, 4.50 or '$4'
  balance NAME             what an account has
  table                    what all accounts have
  chain                    every block, the oldest first
  verify                   checks every hash, link, token and sum; names the first bad block

Options:
  --with AMOUNT            of open: what each new account has at first (else nothing)
  --delay DURATION         of open and transfer: holds the lock so much longer, such as 500ms or 5s
  -w, --wait SECONDS       waits at most so long for the lock (else for ever)
  --bank NAME              another bank: its lock, and what its variables begin with (else bank)
  --socket PATH            the control socket of lamportd (else $LAMPORT_SOCKET, else its usual place)
  --json                   JSON instead of text
  -h, --help               show this help
  --version                show the version

Exit codes:
  0   done
  1   refused: insufficient funds, an account that is not there or is there already, or no
      lock within --wait; nothing was changed
  64  the command line is wrong
  65  a block is bad
  69  lamportd cannot be reached, or has no majority of hosts: nothing was changed
  75  the lock was lost before it was done: nothing was changed
  76  it may have been done: look before you pay again
  77  no permission to use the control socket`

const COMMANDS = ['open', 'transfer', 'balance', 'table', 'chain', 'verify']

/** Reads a command line, down to the last cent; nobody is asked anything before that. */
export function parseLine(args: readonly string[]): Line | Problem {
  // An option never begins so, but what somebody wants to take from somebody else does.
  const negative = args.find(arg => /^-(\$|\.|\d)/.test(arg))
  if (negative !== undefined) return withoutNumber(parseAmount(negative))
  const given = readOptions(args)
  if ('problem' in given) return given
  const { values, positionals } = given
  const [delay, wait] = [delayOf(values.delay), waitOf(values.wait)]
  if ('problem' in delay) return delay
  if ('problem' in wait) return wait
  const order = orderOf(values, positionals)
  if ('problem' in order) return order
  const isAppended = order.type === 'append'
  if (!isAppended && values.delay !== undefined)
    return { problem: 'only open and transfer take --delay' }
  if (!isAppended && values.wait !== undefined)
    return { problem: 'only open and transfer take --wait' }
  const { socket, bank = 'bank', json = false } = values
  if (bank === '' || bank.length > 100) return { problem: '--bank is a name of 1 to 100 letters' }
  return { order, socket, bank, isJson: json, ...delay, ...wait }
}

type Values = NonNullable<ReturnType<typeof readArguments>['values']>

function readArguments(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      socket: { type: 'string' },
      bank: { type: 'string' },
      with: { type: 'string' },
      delay: { type: 'string' },
      wait: { type: 'string', short: 'w' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
    },
  })
}

function readOptions(args: readonly string[]): ReturnType<typeof readArguments> | Problem {
  try {
    return readArguments(args)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    // The rest explains what no option of ours is for.
    const first = said.split(/[.\n] ?/)[0] ?? ''
    return { problem: `${first.charAt(0).toLowerCase()}${first.slice(1)}` }
  }
}

function orderOf(values: Values, positionals: readonly string[]): Order | Problem {
  if (values.help === true) return { type: 'help' }
  if (values.version === true) return { type: 'version' }
  const [command, ...operands] = positionals
  if (command === undefined) return { problem: 'no command is given' }
  if (command !== 'open' && values.with !== undefined) return { problem: 'only open takes --with' }
  switch (command) {
    case 'help':
      return { type: 'help' }
    case 'open':
      return openOf(operands, values.with ?? '0')
    case 'transfer':
      return transferOf(operands)
    case 'balance': {
      const [account = '', ...more] = operands
      if (account === '' || more.length > 0) return { problem: 'balance takes one NAME' }
      const problem = checkAccount(account)
      return problem === undefined ? { type: 'balance', account } : { problem }
    }
    case 'table':
    case 'chain':
    case 'verify':
      if (operands.length === 0) return { type: command }
      return { problem: `${command} takes no argument, and ${operands[0] ?? ''} is given` }
    default: {
      const near = nearest(command, COMMANDS)
      const advice = near === undefined ? '' : ` (did you mean ${near}?)`
      return { problem: `there is no command ${JSON.stringify(command)}${advice}` }
    }
  }
}

function openOf(accounts: readonly string[], amount: string): Order | Problem {
  if (accounts.length === 0) return { problem: 'open takes at least one NAME' }
  const money = parseAmount(amount)
  if ('problem' in money) return money
  return appendOf({ type: 'open', accounts, cents: money.cents })
}

function transferOf(operands: readonly string[]): Order | Problem {
  const [from, to, amount, ...more] = operands
  if (from === undefined || to === undefined || amount === undefined || more.length > 0) {
    return { problem: 'transfer takes FROM, TO and AMOUNT' }
  }
  const money = parseAmount(amount)
  if ('problem' in money) return money
  return appendOf({ type: 'transfer', from, to, cents: money.cents })
}

function appendOf(entry: Entry): Order | Problem {
  const problem = checkEntry(entry)
  return problem === undefined ? { type: 'append', entry } : { problem }
}

function delayOf(text: string | undefined): Pick<Line, 'delayMs'> | Problem {
  if (text === undefined) return { delayMs: undefined }
  const delayMs = parseDuration(text)
  if (delayMs !== undefined && delayMs < 2 ** 31) return { delayMs }
  return { problem: `--delay is a duration such as 500ms, 2s or 1m, not ${JSON.stringify(text)}` }
}

function waitOf(text: string | undefined): Pick<Line, 'waitMs'> | Problem {
  if (text === undefined) return { waitMs: undefined }
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN
  if (seconds <= WAIT_SECONDS_MAX) return { waitMs: seconds * 1000 }
  return { problem: `--wait is a number of seconds, not ${JSON.stringify(text)}` }
}

function withoutNumber(money: ReturnType<typeof parseAmount>): Problem {
  return 'problem' in money ? money : { problem: 'an amount is not less than nothing' }
}
