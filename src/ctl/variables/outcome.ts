import { LamportError, type LamportErrorCode } from '../../client/client.ts'
import { entryOf, type Entry } from './access.ts'
import { isObject } from '../../client/shape.ts'
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

/** Nobody is left to say what became of a write once its line had been sent. */
const SILENT: ReadonlySet<LamportErrorCode> = new Set(['disconnected', 'timeout', 'leaving'])

/** What an error says of the write that it answers; `undefined`: it was never tried. */
export function outcomeOf(error: unknown): Outcome | undefined {
  if (!(error instanceof LamportError)) return undefined
  const data = isObject(error.data) ? error.data : {}
  if (error.code === 'versionDiffers' && isEntry(data.current)) {
    return { type: 'differs', current: entryOf(data.current) }
  }
  const isUnknown = data.effect === undefined ? SILENT.has(error.code) : data.effect !== 'none'
  if (isUnknown) {
    return { type: 'unknown', seen: isEntry(data.seen) ? entryOf(data.seen) : undefined }
  }
  return error.code === 'noMajority' || data.effect === 'none' ? { type: 'none' } : undefined
}

type Wire = Parameters<typeof entryOf>[0]

function isEntry(value: unknown): value is Wire {
  return isObject(value) && typeof value.name === 'string' && typeof value.version === 'number'
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
      complain(`${name}: nothing was written: ${reason}`)
      return Exit.unavailable
    case 'unknown': {
      const { seen } = outcome
      const last = seen === undefined ? '' : `; last seen: ${stateText(seen)}`
      const advice = `look before you write again: lamportctl get ${name}`
      complain(`${name}: the write may still take effect: ${withoutAdvice(reason)}${last} (${advice})`)
      return Exit.uncertain
    }
  }
}

/** Of two pieces of advice the one that is nearer to the matter is given. */
function withoutAdvice(message: string): string {
  return message.replace(/ \([^()]*\)$/, '')
}
