/** What a figure should be, in words and as bounds. */
export type Theory = { readonly text: string; readonly min: number; readonly max: number }

/** Theory of one algorithm under one load, for so many hosts. Times are in message delays. */
export type Expected = {
  readonly messages: Theory
  /** `undefined` where nobody waits when another leaves. */
  readonly synchronisation: Theory | undefined
  readonly response: Theory
}

/** What a formula gives. */
export function exactly(value: number, formula?: string): Theory {
  const text = formula === undefined ? short(value) : `${formula} = ${short(value)}`
  return { text, min: value, max: value }
}

/** The mean of what varies. */
export function onAverage(value: number, what: string): Theory {
  return { text: `${what}, mean ${short(value)}`, min: value, max: value }
}

/** From one bound to the other. */
export function between(min: number, max: number, formula?: string): Theory {
  const bounds = `${short(min)}..${short(max)}`
  return { text: formula === undefined ? bounds : `${formula} = ${bounds}`, min, max }
}

export function atLeast(min: number): Theory {
  return { text: `${short(min)} or more`, min, max: Infinity }
}

/** Two decimals at most. */
function short(value: number): string {
  return String(Number(value.toFixed(2)))
}
