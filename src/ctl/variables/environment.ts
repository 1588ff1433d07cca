import { isUtf8 } from 'node:buffer'
import type { Entry } from './access.ts'

export type EnvironmentOptions = {
  /** Taken off the names. */
  readonly prefix: string
  readonly isUpper: boolean
}

/** Variables as an environment, or what keeps them from being one. */
export type Environment =
  | {
      readonly values: ReadonlyMap<string, string>
      /** Names whose values no environment can hold. */
      readonly skipped: readonly string[]
    }
  | { readonly problem: string }

/** The environment that variables make; two of them that would be one are refused. */
export function environmentOf(entries: readonly Entry[], options: EnvironmentOptions): Environment {
  const values = new Map<string, string>()
  const origins = new Map<string, string>()
  const skipped: string[] = []
  for (const { name, bytes } of entries) {
    const variable = environmentName(name, options)
    if (bytes === undefined || variable === undefined) continue
    const other = origins.get(variable)
    if (other !== undefined) {
      const advice = 'rename one of them, or choose a longer PREFIX'
      return { problem: `${other} and ${name} would both be ${variable} (${advice})` }
    }
    origins.set(variable, name)
    if (isUtf8(bytes) && !bytes.includes(0)) values.set(variable, bytes.toString())
    else skipped.push(name)
  }
  return { values, skipped }
}

/** What a shell takes for the name of a variable; `undefined`: the prefix was all there was. */
export function environmentName(
  name: string,
  { prefix, isUpper }: EnvironmentOptions,
): string | undefined {
  const plain = name.slice(prefix.length).replace(/[^A-Za-z0-9_]/gu, '_')
  if (plain === '') return undefined
  const sound = /^\d/.test(plain) ? `_${plain}` : plain
  return isUpper ? sound.toUpperCase() : sound
}

/**
 * A line that sh(1) and systemd's EnvironmentFile read back as it was: within double quotes both
 * take a backslash before `"`, `\`, `$` and a backquote for nothing but an escape, and everything
 * else, newlines too, for itself. (Single quotes had escapes in systemd before version 240.)
 */
export function environmentLine(name: string, value: string): string {
  return `${name}="${value.replace(/["\\$`]/g, '\\$&')}"`
}
