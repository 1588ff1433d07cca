import { isUtf8 } from 'node:buffer'
import mustache from 'mustache'

/** A template that has been read, or what is wrong with it. */
export type Template = { readonly text: string; readonly tokens: readonly Token[] }

/** What is rendered, or why it is not. */
export type Filled =
  | { readonly type: 'filled'; readonly text: string }
  | { readonly type: 'unset'; readonly names: readonly string[] }
  | { readonly type: 'not-text'; readonly names: readonly string[] }

/** Values are not HTML. */
const CONFIG = { escape: String }

/** As mustache gives it: kind, name, where it begins and ends, and what is within a section. */
type Token = readonly [string, string, number, number, (readonly Token[])?]

export function parseTemplate(bytes: Buffer): Template | { readonly problem: string } {
  if (!isUtf8(bytes)) return { problem: 'it is not UTF-8 (write it in UTF-8)' }
  const text = bytes.toString()
  let tokens: readonly Token[]
  try {
    tokens = mustache.parse(text) as readonly Token[]
  } catch (error) {
    return { problem: `${placed(text, error)} (see mustache(5))` }
  }
  const partial = find(tokens, '>')
  if (partial === undefined) return { text, tokens }
  const line = lineAt(text, partial[2])
  return { problem: `line ${line}: {{> ${partial[1]}}}: no other files are included (put it here)` }
}

/** Fills the template; a variable outside of all sections has to be set. */
export function fill(template: Template, values: ReadonlyMap<string, Buffer>): Filled {
  const notText = new Set<string>()
  const root = new Scope(new Values(values, notText), '', undefined)
  const unset = template.tokens
    .filter(([kind, name]) => (kind === 'name' || kind === '&') && !isText(root.lookup(name)))
    .map(([, name]) => name)
  if (unset.length > 0 && notText.size === 0) return { type: 'unset', names: [...new Set(unset)] }
  const text = mustache.render(template.text, root, undefined, CONFIG)
  if (notText.size > 0) return { type: 'not-text', names: [...notText] }
  return { type: 'filled', text }
}

/** Names that begin with the same path: a section of them is shown, and looked up within. */
class Folder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** As a value it is none. */
  toString(): string {
    return ''
  }
}

type Found = string | Folder | undefined

function isText(found: Found): boolean {
  return typeof found === 'string'
}

/** Variables as a template names them. */
class Values {
  readonly #values: ReadonlyMap<string, Buffer>
  readonly #notText: Set<string>
  readonly #folders = new Set<string>()

  constructor(values: ReadonlyMap<string, Buffer>, notText: Set<string>) {
    this.#values = values
    this.#notText = notText
    for (const name of values.keys()) {
      for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
        this.#folders.add(name.slice(0, at + 1))
      }
    }
  }

  /** By the exact name, or with dots for slashes. */
  find(folder: string, name: string): Found {
    const names = [`${folder}${name}`, `${folder}${name.replaceAll('.', '/')}`]
    for (const known of names) {
      const bytes = this.#values.get(known)
      if (bytes === undefined) continue
      if (isUtf8(bytes)) return bytes.toString()
      this.#notText.add(known)
      return undefined
    }
    const path = names.map(known => `${known}/`).find(known => this.#folders.has(known))
    return path === undefined ? undefined : new Folder(path)
  }
}

/** Where names are looked up: first in the innermost section's folder, then around it. */
class Scope extends mustache.Context {
  readonly #values: Values
  readonly #folder: string
  readonly #around: Scope | undefined
  readonly #self: string | undefined

  constructor(values: Values, folder: string, around: Scope | undefined, self?: string) {
    super({})
    this.#values = values
    this.#folder = folder
    this.#around = around
    this.#self = self
  }

  override push(view: unknown): Scope {
    if (view instanceof Folder) return new Scope(this.#values, view.path, this)
    return new Scope(this.#values, this.#folder, this.#around, String(view))
  }

  override lookup(name: string): Found {
    if (name === '.') return this.#self ?? this.#around?.lookup(name)
    return this.#values.find(this.#folder, name) ?? this.#around?.lookup(name)
  }
}

function find(tokens: readonly Token[], kind: string): Token | undefined {
  for (const token of tokens) {
    if (token[0] === kind) return token
    const within = Array.isArray(token[4]) ? find(token[4], kind) : undefined
    if (within !== undefined) return within
  }
  return undefined
}

/** mustache counts characters; people count lines. */
function placed(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const at = / at (\d+)$/.exec(message)
  if (at === null) return message
  return `line ${lineAt(text, Number(at[1]))}: ${message.slice(0, at.index)}`
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}
