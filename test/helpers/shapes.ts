type Check = (value: unknown, path: string) => string | undefined

/** The shapes of a document's table, by what its first column calls them. */
export type Shapes = ReadonlyMap<string, Check>

/** Reads rows `| what | `shape` |`; several names in backticks share a shape. */
export function readShapes(document: string): Shapes {
  const shapes = new Map<string, Check>()
  for (const [, what = '', shape = ''] of document.matchAll(/^\| (.+?) \| `([^`]+)` \|$/gm)) {
    const check = new ShapeParser(shape, shapes).whole()
    const names = [...what.matchAll(/`([a-z]+)`/g)].map(([, name]) => name ?? '')
    for (const name of names.length === 0 ? [what] : names) shapes.set(name, check)
  }
  return shapes
}

/** What of a value is not as its shape says, and where. */
export function misshapen(shapes: Shapes, name: string, value: unknown): string | undefined {
  const check = shapes.get(name)
  return check === undefined ? `there is no shape ${name}` : check(value, '$')
}

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: value => typeof value === 'string',
  number: value => typeof value === 'number',
  flag: value => typeof value === 'boolean',
  true: value => value === true,
  null: value => value === null,
}

/** `A or B`, `[A]`, `{key: A, key?: B}`, `{*: A}`, a scalar, or the name of a shape above. */
class ShapeParser {
  readonly #tokens: readonly string[]
  readonly #known: Shapes
  #at = 0

  constructor(text: string, known: Shapes) {
    this.#tokens = text.match(/[a-zA-Z0-9_]+|[{}[\]:?,*]/g) ?? []
    this.#known = known
  }

  whole(): Check {
    const check = this.#choice()
    if (this.#at < this.#tokens.length) throw new Error(`astray: ${this.#tokens.join(' ')}`)
    return check
  }

  #choice(): Check {
    const checks = [this.#one()]
    while (this.#skip('or')) checks.push(this.#one())
    return (value, path) => {
      const faults = checks.map(check => check(value, path))
      return faults.includes(undefined) ? undefined : faults.join(' or ')
    }
  }

  #one(): Check {
    if (this.#skip('[')) {
      const item = this.#choice()
      this.#expect(']')
      return (value, path) => {
        if (!Array.isArray(value)) return `${path} is no list`
        return value.map((each, at) => item(each, `${path}[${at}]`)).find(Boolean)
      }
    }
    if (this.#skip('{')) return this.#object()
    const word = this.#tokens[this.#at++] ?? ''
    const is = SCALARS[word]
    if (is !== undefined) {
      return (value, path) => (is(value) ? undefined : `${path} is no ${word}`)
    }
    const named = this.#known.get(word)
    if (named === undefined) throw new Error(`no shape ${word}`)
    return named
  }

  #object(): Check {
    const fields = new Map<string, { check: Check; isOptional: boolean }>()
    while (!this.#skip('}')) {
      const key = this.#tokens[this.#at++] ?? ''
      const isOptional = this.#skip('?')
      this.#expect(':')
      fields.set(key, { check: this.#choice(), isOptional })
      this.#skip(',')
    }
    return (value, path) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return `${path} is no object`
      }
      const missing = [...fields].find(
        ([key, { isOptional }]) => key !== '*' && !isOptional && !(key in value),
      )
      if (missing !== undefined) return `${path}.${missing[0]} is missing`
      return Object.entries(value)
        .map(([key, each]) => {
          const field = fields.get(key) ?? fields.get('*')
          return field === undefined ? `${path}.${key} is new` : field.check(each, `${path}.${key}`)
        })
        .find(Boolean)
    }
  }

  #skip(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false
    this.#at += 1
    return true
  }

  #expect(token: string): void {
    if (!this.#skip(token)) throw new Error(`${token} is missing: ${this.#tokens.join(' ')}`)
  }
}
