import { LamportError } from '../../client/client.ts'
import { entryOf, type Entry } from './access.ts'
import { Exit } from '../exit.ts'
import { complain } from '../output.ts'
import { stateText } from './show.ts'

/** What is known of a write that was not confirmed. */
export type Outcome =
  /** Something else was written meanwhile. */
  | { readonly type: 'differs'; readonly current: Entry }
  /** No majority: nothing was written. */
  | { readonly type: 'none' }
  /** It may still take effect. */
  | { readonly type: 'unknown'; readonly seen: Entry | undefined }

/** What an error says of the write that it answers; `undefined`: it was never tried. */
export function outcomeOf(error: unknown): Outcome | undefined {
  if (!(error instanceof LamportError)) return undefined
  const { code, current, seen } = error
  if (code === 'versionDiffers' && current !== undefined) {
    return { type: 'differs', current: entryOf(current) }
  }
  if (code === 'noMajority') return { type: 'none' }
  if (code !== 'uncertain') return undefined
  return { type: 'unknown', seen: seen === undefined ? undefined : entryOf(seen) }
}

/** Says what became of a write of `name`, and gives the exit code; what it does not know is thrown. */
export function failedWrite(name: string, error: unknown): number {
  const outcome = outcomeOf(error)
  const reason = error instanceof Error ? error.message : String(error)
  switch (outcome?.type) {
    case undefined:
      throw error
    case 'differs': {
      const advice = `read it again: lamportctl get --json ${name}`
      complain(`${name} was not written: it is ${stateText(outcome.current)} (${advice})`)
      return Exit.notAcquired
    }
    case 'none':
      complain(`${name} was not written: ${reason}`)
      return Exit.unavailable
    case 'unknown': {
      const { seen } = outcome
      const last = seen === undefined ? '' : `; last seen: ${stateText(seen)}`
      const advice = `look before you write again: lamportctl get ${name}`
      const why = reason.replace(/^whether .* is not known: /, '').replace(/ \([^()]*\)$/, '')
      complain(`${name}: the write may still take effect: ${why}${last} (${advice})`)
      return Exit.uncertain
    }
  }
}
