// `lamport-bank`: a bank on a chain of blocks that cannot diverge, on lamportd's client library alone.
import { connect, LamportError, type LamportErrorCode } from '../../client/client.ts'
import { packageVersion } from '../../control/version.ts'
import { unreachable } from '../../lib/assert.ts'
import { audit, type Fault, type Found } from './audit.ts'
import { Bank, BankError, type BankErrorCode } from './bank.ts'
import { blockJson, describe, sortedAccounts, sumOf, type Block, type Entry } from './block.ts'
import { HELP, parseLine, type Line } from './line.ts'
import { formatCents } from './money.ts'

const EX_OK = 0
const EX_REFUSED = 1
const EX_USAGE = 64
const EX_DATA = 65
const EX_UNAVAILABLE = 69
const EX_LOST = 75
const EX_UNCERTAIN = 76
const EX_NOPERM = 77

/** Who waits longer than that for the lock is told so. */
const PATIENCE_MS = 1000

/** How much of a hash is enough for people to tell two of them apart. */
const HASH_SHOWN = 16

async function main(args: readonly string[]): Promise<number> {
  const line = parseLine(args)
  if ('problem' in line) {
    const advice = line.problem.endsWith(')') ? '' : ' (see lamport-bank --help)'
    complain(`${line.problem}${advice}`)
    return EX_USAGE
  }
  const { order } = line
  if (order.type === 'help' || order.type === 'version') {
    print(order.type === 'help' ? HELP : packageVersion)
    return EX_OK
  }
  const stop = new AbortController()
  let signalled: NodeJS.Signals | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Once: whoever has no patience has the second one.
    process.once(signal, () => stop.abort((signalled = signal)))
  }
  const client = await connect({ socket: line.socket, signal: stop.signal })
  try {
    return await run(new Bank(client, line.bank), line, stop.signal)
  } catch (error) {
    if (signalled === undefined || error !== stop.signal.reason) throw error
    process.removeAllListeners(signalled)
    process.kill(process.pid, signalled)
    return EX_REFUSED
  } finally {
    await client.close()
  }
}

async function run(bank: Bank, line: Line, signal: AbortSignal): Promise<number> {
  const { order, isJson } = line
  switch (order.type) {
    case 'append':
      return append(bank, order.entry, line, signal)
    case 'balance': {
      const balance = (await newestOf(bank, signal)).balances.get(order.account)
      if (balance === undefined) {
        throw new BankError('refused', `there is no account ${order.account} (lamport-bank table)`)
      }
      if (isJson) printJson({ account: order.account, cents: balance })
      else print(formatCents(balance))
      return EX_OK
    }
    case 'table':
      showTable(await newestOf(bank, signal), isJson)
      return EX_OK
    case 'chain':
      return showChain(await bank.chain(signal), isJson)
    case 'verify':
      return verify(await bank.chain(signal), isJson)
    case 'help':
    case 'version':
      return EX_OK
    default:
      return unreachable(order)
  }
}

async function append(
  bank: Bank,
  entry: Entry,
  { waitMs, delayMs, isJson }: Line,
  signal: AbortSignal,
): Promise<number> {
  let before = ''
  const timer = setTimeout(
    () => {
      complain(`waits for the lock ${bank.name}${before} (lamportctl why ${bank.name})`)
    },
    PATIENCE_MS + (delayMs ?? 0),
  )
  const onQueued = (position: number): void => void (before = `, ${position} before it`)
  try {
    const block = await bank.append(entry, { waitMs, delayMs, signal, onQueued })
    if (isJson) printJson(blockJson(block))
    else print(describe(block))
    return EX_OK
  } finally {
    clearTimeout(timer)
  }
}

async function newestOf(bank: Bank, signal: AbortSignal): Promise<Block> {
  const block = await bank.newest(signal)
  if (block !== undefined) return block
  throw new BankError(
    'refused',
    'there is no bank yet (begin it: lamport-bank open 1 2 3 --with 10)',
  )
}

function showTable({ number, hash, balances }: Block, isJson: boolean): void {
  const accounts = sortedAccounts(balances)
  if (isJson) {
    const list = accounts.map(([account, cents]) => ({ account, cents }))
    printJson({ number, hash, accounts: list, cents: sumOf(balances) })
  } else print(columns(accounts.map(([account, cents]) => [account, formatCents(cents)])))
}

function showChain(chain: readonly Found[], isJson: boolean): number {
  const blocks = chain.flatMap(({ block }) => ('problem' in block ? [] : [block]))
  if (isJson) printJson(blocks.map(blockJson))
  else if (chain.length > 0) {
    const rows = blocks.map(block => {
      const { number, token, host, hash } = block
      return [String(number), describe(block), `token ${token}`, host, hash.slice(0, HASH_SHOWN)]
    })
    print(columns(rows))
  }
  const fault = audit(chain)
  if (fault === undefined) return EX_OK
  complain(faultText(fault))
  return EX_DATA
}

function verify(chain: readonly Found[], isJson: boolean): number {
  const fault = audit(chain)
  if (fault !== undefined) {
    if (isJson) printJson({ valid: false, ...fault })
    complain(faultText(fault))
    return EX_DATA
  }
  const newest = chain.at(-1)?.block
  const known = newest === undefined || 'problem' in newest ? undefined : newest
  const cents = known === undefined ? 0 : sumOf(known.balances)
  if (isJson) printJson({ valid: true, blocks: chain.length, cents, hash: known?.hash ?? null })
  else {
    const count = chain.length === 1 ? '1 block is' : `${chain.length} blocks are`
    print(
      `${count} good; ${formatCents(cents)} in all${known === undefined ? '' : `; ${known.hash}`}`,
    )
  }
  return EX_OK
}

function faultText({ number, problem }: Fault): string {
  return `block ${number} is bad: ${problem}`
}

/** As wide as the widest of each, two spaces between. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map(row => (row[at] ?? '').length)),
  )
  const lines = rows.map(row => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '))
  return lines.map(line => line.trimEnd()).join('\n')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/** What others have written is shown, never obeyed by a terminal. */
function complain(message: string): void {
  process.stderr.write(`lamport-bank: ${message.replace(/\p{Cc}/gu, '\ufffd')}\n`)
}

function exitOf(error: BankError | LamportError): number {
  return error instanceof BankError ? bankExit(error.code) : clientExit(error.code)
}

function bankExit(code: BankErrorCode): number {
  switch (code) {
    case 'refused':
      return EX_REFUSED
    case 'damaged':
      return EX_DATA
    case 'lost':
      return EX_LOST
    case 'uncertain':
      return EX_UNCERTAIN
    default:
      return unreachable(code)
  }
}

/** Nothing was written: that is told otherwise. */
function clientExit(code: LamportErrorCode): number {
  if (code === 'argument' || code === 'socket') return EX_USAGE
  return code === 'permission' ? EX_NOPERM : EX_UNAVAILABLE
}

// A reader that has gone (`lamport-bank chain | head -1`) is a proper end.
process.stdout.on('error', () => process.exit(EX_OK))
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof BankError || error instanceof LamportError)) throw error
  complain(error.message)
  process.exitCode = exitOf(error)
}
