import { Session } from 'node:inspector'

import type { Runtime } from 'node:inspector'

/** Where a value is handed over between this program and the inspector. */
const DESK = '__inspected'

/** Reads `#private` fields through V8's inspector: what a fingerprint must not miss is in them. */
class Privates {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
  }

  /** The inspector keeps something of each question until then. */
  close(): void {
    this.#session.disconnect()
  }

  /** The private fields of an object by name, of whatever class declared them. */
  of(object: object): Readonly<Record<string, unknown>> {
    const desk = globalThis as Record<string, unknown>
    desk[DESK] = object
    const { result } = this.#post('Runtime.evaluate', {
      expression: `globalThis.${DESK}`,
      objectGroup: DESK,
    }) as Runtime.EvaluateReturnType
    const { privateProperties = [] } = this.#post('Runtime.getProperties', {
      objectId: result.objectId,
      ownProperties: true,
    }) as { privateProperties?: { name: string; value?: Runtime.RemoteObject }[] }
    const fields = privateProperties.filter(({ value }) => value !== undefined)
    // The inspector hands out descriptions; called with them, a function of ours gets the objects.
    this.#post('Runtime.callFunctionOn', {
      functionDeclaration: `function (...values) { globalThis.${DESK} = values }`,
      objectId: result.objectId,
      arguments: fields.map(({ value }) => argumentFor(value)),
    })
    const values = desk[DESK] as unknown[]
    this.#post('Runtime.releaseObjectGroup', { objectGroup: DESK })
    desk[DESK] = undefined
    return Object.fromEntries(fields.map(({ name }, i) => [name, values[i]]))
  }

  #post(method: string, params: object): unknown {
    const answers: unknown[] = []
    // On its own thread's session the callback is called before `post` returns.
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw error
      answers.push(result)
    })
    return answers[0]
  }
}

function argumentFor(value: Runtime.RemoteObject | undefined): Runtime.CallArgument {
  if (value?.objectId !== undefined) return { objectId: value.objectId }
  if (value?.unserializableValue !== undefined) {
    return { unserializableValue: value.unserializableValue }
  }
  return { value: value?.value as unknown }
}

/** What `describeState` found. */
export type StateDescription = {
  /** Equal for equal states, whatever the order in which they were reached. */
  readonly text: string
  /** The entries of each Map, Set and Array, by the place where it was found first. */
  readonly sizes: ReadonlyMap<string, number>
}

/**
 * Everything that can be reached from an object, private fields and all, as text. Functions are
 * left out, and every field that `isLeftOut` names.
 */
export function describeState(
  root: object,
  isLeftOut: (field: string) => boolean = () => false,
): StateDescription {
  const privates = new Privates()
  const seen = new Map<object, number>()
  const sizes = new Map<string, number>()
  const count = (path: string, size: number): void => {
    sizes.set(path, Math.max(sizes.get(path) ?? 0, size))
  }
  const walk = (value: unknown, path: string): string => {
    if (typeof value === 'function') return 'f'
    if (typeof value !== 'object' || value === null) return describeValue(value)
    const known = seen.get(value)
    if (known !== undefined) return `@${known}`
    seen.set(value, seen.size)
    if (ArrayBuffer.isView(value)) {
      return `<${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}>`
    }
    if (value instanceof Map) {
      count(path, value.size)
      const entries = [...(value as Map<unknown, unknown>)].map(
        ([key, each]) => `${walk(key, path)}:${walk(each, `${path}[]`)}`,
      )
      return `Map{${entries.join()}}`
    }
    if (value instanceof Set || Array.isArray(value)) {
      const items = [...(value as Iterable<unknown>)]
      count(path, items.length)
      return `[${items.map(each => walk(each, `${path}[]`)).join()}]`
    }
    const isPlain = Object.getPrototypeOf(value) === Object.prototype
    const fields = isPlain ? { ...value } : { ...value, ...privates.of(value) }
    const texts = Object.entries(fields)
      .filter(([name]) => !isLeftOut(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, each]) => `${name}=${walk(each, `${path}.${name}`)}`)
    if (isPlain) count(path, texts.length)
    return `{${texts.join()}}`
  }
  const text = walk(root, '')
  privates.close()
  return { text, sizes }
}

function describeValue(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** Where two descriptions part, for people. */
export function firstDifference(before: string, after: string): string {
  let at = 0
  while (at < before.length && before[at] === after[at]) at++
  const from = Math.max(0, at - 60)
  return `…${before.slice(from, at + 60)}… became …${after.slice(from, at + 60)}…`
}
