import type { Topic } from './variable-requests.ts'

/** Who is interested in which names: in single ones, or in all that begin so. */
export class Topics<T> {
  readonly #names = new Map<string, Set<T>>()
  readonly #prefixes = new Map<string, Set<T>>()

  add(topic: Topic, item: T): void {
    const [map, key] = this.#place(topic)
    const items = map.get(key)
    if (items === undefined) map.set(key, new Set([item]))
    else items.add(item)
  }

  delete(topic: Topic, item: T): void {
    const [map, key] = this.#place(topic)
    const items = map.get(key)
    items?.delete(item)
    if (items?.size === 0) map.delete(key)
  }

  /** Whether anyone is interested in just this. */
  has(topic: Topic): boolean {
    const [map, key] = this.#place(topic)
    return map.has(key)
  }

  /** Everyone interested in this name, once. It takes as long as the name, however many there are. */
  matching(name: string): Set<T> {
    const found = new Set(this.#names.get(name))
    if (this.#prefixes.size === 0) return found
    for (let length = 0; length <= name.length; length += 1) {
      for (const item of this.#prefixes.get(name.slice(0, length)) ?? []) found.add(item)
    }
    return found
  }

  #place(topic: Topic): readonly [Map<string, Set<T>>, string] {
    return topic.type === 'name' ? [this.#names, topic.name] : [this.#prefixes, topic.prefix]
  }
}
