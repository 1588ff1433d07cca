/** Whether a value that came from outside is what its type says. */
export type Shape<T> = (value: unknown) => value is T

export const isString: Shape<string> = value => typeof value === 'string'
export const isBoolean: Shape<boolean> = value => typeof value === 'boolean'
/** JSON knows neither NaN nor the infinities. */
export const isNumber: Shape<number> = value => typeof value === 'number'

/** `null` as well. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return value => value === null || shape(value)
}

/** For a member that may be left out. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return value => value === undefined || shape(value)
}

export function oneOf<const T>(...values: readonly T[]): Shape<T> {
  return (value): value is T => values.some(known => known === value)
}

export function arrayOf<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(item => shape(item))
}

export function recordOf<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value): value is Readonly<Record<string, T>> =>
    isObject(value) && Object.values(value).every(item => shape(item))
}

/** Members that are not named may be anything: a newer daemon says more. */
export function objectOf<T>(members: {
  readonly [K in keyof T]-?: (value: unknown) => boolean
}): Shape<T> {
  const checks = Object.entries<(value: unknown) => boolean>(members)
  return (value): value is T =>
    isObject(value) && checks.every(([name, check]) => check(value[name]))
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
