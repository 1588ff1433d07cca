import { balancesAfter, describe, NO_HASH, type Block, type Problem } from './block.ts'
import { formatCents } from './money.ts'

/** What was read in the place of a block. */
export type Found = {
  readonly block: Block | Problem
  /** What is wrong with this host's copy, where a majority has the right block. */
  readonly copy?: string | undefined
}

/** The first bad block. */
export type Fault = { readonly number: number; readonly problem: string }

/**
 * Looks at a whole chain, the newest block last: each block's own hash, the hash by which the next
 * one knows it, tokens that rise, and all money. Gives the first block that is bad.
 */
export function audit(chain: readonly Found[]): Fault | undefined {
  const links = linkProblems(chain)
  for (const [number, { block, copy }] of chain.entries()) {
    const link = links[number]
    if ('problem' in block) return { number, problem: block.problem }
    const before = links[number - 1] === undefined ? chain[number - 1]?.block : undefined
    const isKnown = before !== undefined && !('problem' in before)
    const problem = link ?? copy ?? contentProblem(isKnown ? before : undefined, number, block)
    if (problem !== undefined) return { number, problem }
  }
  return undefined
}

/**
 * Whoever changes a block, and its hash with it, cannot change what the next block knows of it. So
 * the newest is believed, and from there each one that is bears witness to the one before it.
 */
function linkProblems(chain: readonly Found[]): readonly (string | undefined)[] {
  const problems: (string | undefined)[] = []
  let witness: Block | undefined
  for (let number = chain.length - 1; number >= 0; number -= 1) {
    const block = chain[number]?.block
    if (block === undefined || 'problem' in block) {
      witness = undefined
      continue
    }
    const isKnown = witness === undefined || witness.previous === block.hash
    if (!isKnown) problems[number] = `it is not the block that block ${number + 1} follows`
    witness = isKnown ? block : undefined
  }
  return problems
}

/** What a block says follows from the one before it, where that one is good. */
function contentProblem(
  before: Block | undefined,
  number: number,
  block: Block,
): string | undefined {
  if (block.number !== number) return `it says that it is block ${block.number}`
  if (number === 0 && block.previous !== NO_HASH) return 'it is the first, and follows another'
  if (number > 0 && before === undefined) return undefined
  if (before !== undefined && block.token <= before.token) {
    const what = `its token ${block.token} is not higher than ${before.token}`
    return `${what}, that of the block before`
  }
  return moneyProblem(before, block)
}

function moneyProblem(
  before: Block | undefined,
  { entry, number, balances }: Block,
): string | undefined {
  if (entry.type === 'transfer') {
    if (entry.cents === 0) return 'it pays nothing'
    if (entry.from === entry.to) return `${entry.from} pays itself`
  }
  const expected = balancesAfter(before?.balances, entry)
  if ('problem' in expected) {
    return `"${describe({ number, entry })}" could not be: ${expected.problem}`
  }
  for (const name of new Set([...expected.keys(), ...balances.keys()])) {
    const [is, should] = [balances.get(name), expected.get(name)]
    if (is === should) continue
    const has = is === undefined ? 'no account' : formatCents(is)
    return `${name} has ${has} after it, and should have ${formatCents(should ?? 0)}`
  }
  return undefined
}
