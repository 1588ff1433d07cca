import { checkName } from '../control/names.ts'
import { nearest } from '../lib/nearest.ts'

/** What came as the params of a request. */
export type Params = Readonly<Record<string, unknown>>

/** In the form "what is wrong (what to write instead)". */
export type Wrong = { readonly wrong: string }

/** A parameter that is none of these. */
export function unknownParam(params: Params, known: readonly string[]): Wrong | undefined {
  for (const key in params) {
    if (known.includes(key)) continue
    const meant = nearest(key, known)
    const all = known.length === 0 ? 'this method takes none' : `known: ${known.join(', ')}`
    return { wrong: `unknown parameter ${show(key)} (${meant ? `write ${meant}` : all})` }
  }
  return undefined
}

/** What is wrong with the name of a lock or of a variable. */
export function wrongName(name: unknown): Wrong | undefined {
  const wrong =
    typeof name === 'string'
      ? checkName(name)
      : `name is ${show(name)} (write a name, such as door)`
  return wrong === undefined ? undefined : { wrong }
}

/** What is wrong with a time to wait, which may be left out. */
export function wrongWait(waitMs: unknown): Wrong | undefined {
  if (waitMs === undefined) return undefined
  if (typeof waitMs === 'number' && waitMs >= 0 && waitMs < Infinity) return undefined
  return { wrong: `waitMs is ${show(waitMs)} (write milliseconds from 0, or leave it out)` }
}

/** A value in a message: quoted, and short. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value)
  return text.length > 100 ? Array.from(text.slice(0, 200)).slice(0, 100).join('') + '…' : text
}

/** From `low` to `high`. */
export function isInteger(value: unknown, low: number, high: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high
}

/** Neither `null` nor a list. */
export function isObject(value: unknown): value is Params {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
