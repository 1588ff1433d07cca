import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { PageReader, type ReadAt } from './page-reader.ts'

/** The file is not as LMDB wrote it. */
export class DamagedPages extends Error {}

/** LMDB's words are as wide as addresses are; all machines it is built for are little-endian. */
const WORD_BYTES = ['arm', 'ia32'].includes(process.arch) ? 4 : 8
const HEADER_BYTES = 2 * WORD_BYTES + 8
const NODE_BYTES = 8
const TREE_BYTES = 8 + 5 * WORD_BYTES
const META_BYTES = HEADER_BYTES + 8 + 2 * WORD_BYTES + 2 * TREE_BYTES + 2 * WORD_BYTES

const MAGIC = 0xbeefc0de
const VERSION = 2
const PAGE_BYTES_MIN = 512
const PAGE_BYTES_MAX = 65_536
/** As lmdb limits it: longer ones cannot be stored. */
export const KEY_BYTES_MAX = 1978
/** LMDB's own cursors go no deeper. */
const DEPTH_MAX = 32

const [BRANCH, LEAF, OVERFLOW, META] = [0x01, 0x02, 0x04, 0x08]
/** A node whose value is on pages of its own. */
const BIG = 0x01
/** Of the tree of free pages: its keys are integers. */
const INTEGER_KEYS = 0x08

/** What a meta page says of one of the two trees. */
type Tree = {
  readonly flags: number
  readonly depth: number
  readonly branches: number
  readonly leaves: number
  readonly overflows: number
  readonly entries: number
  /** `undefined`: there is no page yet. */
  readonly root: number | undefined
}

type Meta = {
  readonly pageBytes: number
  readonly free: Tree
  readonly main: Tree
  readonly lastPage: number
  readonly transaction: number
}

type Counts = { branches: number; leaves: number; overflows: number; entries: number }

/** Bytes of a page, or of some in a row. */
export type Part = { bytes: Buffer; start: number; end: number }

/** A view of it. */
export function bytesOf({ bytes, start, end }: Readonly<Part>): Buffer {
  return bytes.subarray(start, end)
}

/** Keys of a page lie between these: not below the first, and below the second. */
type Bounds = { readonly from: Part | undefined; readonly to: Part | undefined }

export type Visit = (key: Readonly<Part>, value: Readonly<Part>) => void

/** What is the same for all pages of a tree. */
type Passage = { readonly flags: number; readonly counts: Counts; readonly visit: Visit }

/**
 * Reads the file of an LMDB environment with plain reads, page by page, and believes nothing. LMDB
 * itself follows every pointer, through a map: a file that was cut short, or has changed, ends the
 * process with a signal, and a pointer to a page of the past is not noticed at all. Here every page
 * has to be what the one above it says it is, its nodes have to fill it without a gap, keys have to
 * be in order, counts have to be right, and no page may have two uses, free ones included, which
 * LMDB writes over.
 *
 * @param visit told every record in the order of keys; what it is given is used again afterwards
 * @throws DamagedPages
 */
export function readPages(path: string, mapBytesMax: number, visit: Visit): void {
  const file = openSync(path, 'r')
  try {
    const meta = readMeta(file, mapBytesMax)
    if (meta === undefined) return
    const walk = new Walk(file, meta)
    walk.tree(meta.main, 0, visit)
    walk.tree(meta.free, INTEGER_KEYS, (_, value) => walk.free(value))
    walk.end(fstatSync(file).size)
  } finally {
    closeSync(file)
  }
}

/** The newer of the two; `undefined` where the file is empty. */
function readMeta(file: number, mapBytesMax: number): Meta | undefined {
  const first = Buffer.alloc(META_BYTES)
  const length = readSync(file, first, 0, META_BYTES, 0)
  if (length === 0) return undefined
  check(length === META_BYTES, 'its first page is cut short')
  const pageBytes = first.readUInt32LE(HEADER_BYTES + 8 + 2 * WORD_BYTES)
  const isPower = (pageBytes & (pageBytes - 1)) === 0
  check(isPower && pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX, 'its first page')
  const second = Buffer.alloc(META_BYTES)
  check(readSync(file, second, 0, META_BYTES, pageBytes) === META_BYTES, 'its second page')
  const [even, odd] = [parseMeta(first, 0, mapBytesMax), parseMeta(second, 1, mapBytesMax)]
  check(even.pageBytes === odd.pageBytes, 'its first two pages differ')
  const [older, newer] = even.transaction > odd.transaction ? [odd, even] : [even, odd]
  // Transaction n writes page n % 2: so nobody can take the last but one for the last.
  const isNew = older.transaction === 0 && newer.transaction === 0
  const isInTurn = even.transaction % 2 === 0 && (odd.transaction % 2 === 1 || older === odd)
  const isNext = newer.transaction === older.transaction + 1
  check(isNew || (isInTurn && isNext), 'its first two pages do not follow each other')
  return newer
}

function parseMeta(page: Buffer, number: number, mapBytesMax: number): Meta {
  const what = number === 0 ? 'its first page' : 'its second page'
  check(word(page, 0) === number && page.readUInt16LE(2 * WORD_BYTES + 2) === META, what)
  let at = HEADER_BYTES
  check(page.readUInt32LE(at) === MAGIC && page.readUInt32LE(at + 4) === VERSION, what)
  at += 8
  check(word(page, at) === 0 && word(page, at + WORD_BYTES) <= mapBytesMax, what)
  at += 2 * WORD_BYTES
  const pageBytes = page.readUInt32LE(at)
  const free = parseTree(page, at)
  const main = parseTree(page, at + TREE_BYTES)
  check(page.readUInt32LE(at + TREE_BYTES) === 0, what)
  at += 2 * TREE_BYTES
  const lastPage = word(page, at)
  check(lastPage >= 1 && (lastPage + 1) * pageBytes <= mapBytesMax, what)
  return { pageBytes, free, main, lastPage, transaction: word(page, at + WORD_BYTES) }
}

function parseTree(page: Buffer, at: number): Tree {
  const field = (index: number): number => word(page, at + 8 + index * WORD_BYTES)
  const root = at + 8 + 4 * WORD_BYTES
  const hasNone = page.subarray(root, root + WORD_BYTES).every(byte => byte === 0xff)
  return {
    flags: page.readUInt16LE(at + 4),
    depth: page.readUInt16LE(at + 6),
    branches: field(0),
    leaves: field(1),
    overflows: field(2),
    entries: field(3),
    root: hasNone ? undefined : field(4),
  }
}

/** One passage through all pages of a file. */
class Walk {
  readonly #file: number
  readonly #meta: Meta
  readonly #isUsed: Uint8Array
  readonly #pages: PageReader
  /** One for each level, and the same parts for every record: it costs no memory but its own. */
  readonly #branches: Buffer[] = []
  #big: Buffer = Buffer.alloc(0)
  readonly #key: Part = { bytes: this.#big, start: 0, end: 0 }
  readonly #before: Part = { bytes: this.#big, start: 0, end: 0 }
  readonly #value: Part = { bytes: this.#big, start: 0, end: 0 }

  constructor(file: number, meta: Meta) {
    this.#file = file
    this.#meta = meta
    const readAt: ReadAt = (bytes, length, position) => readSync(file, bytes, 0, length, position)
    this.#pages = new PageReader(readAt, meta.pageBytes)
    this.#isUsed = new Uint8Array(meta.lastPage + 1)
    this.#isUsed.fill(1, 0, 2)
  }

  tree(tree: Tree, flags: number, visit: Visit): void {
    check(tree.flags === flags && tree.depth <= DEPTH_MAX, 'what it says of a tree')
    const counts: Counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 }
    check((tree.root === undefined) === (tree.depth === 0), 'where a tree begins')
    if (tree.root !== undefined) {
      const bounds = { from: undefined, to: undefined }
      this.#page(tree.root, tree.depth, bounds, { flags, counts, visit })
    }
    const isWhole =
      counts.branches === tree.branches &&
      counts.leaves === tree.leaves &&
      counts.overflows === tree.overflows &&
      counts.entries === tree.entries
    check(isWhole, 'how much is in a tree')
  }

  /** A list of free pages: their count, then each, or a negative number and the first of so many. */
  free(part: Readonly<Part>): void {
    const list = bytesOf(part)
    const words = list.length / WORD_BYTES
    const length = words >= 1 ? word(list, 0) : Infinity
    check(Number.isInteger(words) && length < words, 'its list of free pages')
    for (let index = 1; index <= length; index += 1) {
      const entry = signedWord(list, index * WORD_BYTES)
      if (entry >= 0) {
        if (entry > 0) this.#use(entry, 1)
        continue
      }
      index += 1
      check(index <= length, 'its list of free pages')
      this.#use(word(list, index * WORD_BYTES), -entry)
    }
  }

  /** The file may end before its last page does: what was freed before it was written is not there. */
  end(bytes: number): void {
    const missing = this.#isUsed.indexOf(0, Math.floor(bytes / this.#meta.pageBytes))
    check(missing < 0, 'page # is missing', missing)
  }

  /** @param level 1: leaves */
  #page(number: number, level: number, bounds: Bounds, passage: Passage): void {
    const isLeaf = level === 1
    const page = this.#read(number, level, isLeaf ? LEAF : BRANCH)
    passage.counts[isLeaf ? 'leaves' : 'branches'] += 1
    const nodes = this.#nodes(page, level)
    check(nodes.length >= (isLeaf ? 1 : 2), 'page # is empty', number)
    this.#checkKeys(number, page, nodes, isLeaf ? 0 : 1, bounds, passage.flags)
    if (isLeaf) {
      for (const at of nodes) this.#record(page, at, passage)
      return
    }
    for (const [index, at] of nodes.entries()) {
      check(page.readUInt16LE(at + 4) === 0, 'a pointer of page #', number)
      const next = nodes[index + 1]
      const from = index === 0 ? bounds.from : partOf(page, at)
      const to = next === undefined ? bounds.to : partOf(page, next)
      this.#page(page.readUInt32LE(at), level - 1, { from, to }, passage)
    }
  }

  /**
   * In order, and between those of the page above.
   *
   * @param first the first key of a branch stands for all that are lower, and is not looked at
   */
  #checkKeys(
    number: number,
    page: Buffer,
    nodes: readonly number[],
    first: 0 | 1,
    { from, to }: Bounds,
    flags: number,
  ): void {
    const order = flags === INTEGER_KEYS ? compareWords : compareBytes
    let before = from
    for (let index = first; index < nodes.length; index++) {
      const at = nodes[index] ?? 0
      const length = page.readUInt16LE(at + 6)
      const isRight = flags !== INTEGER_KEYS || length === WORD_BYTES
      check(isRight && length > 0 && length <= KEY_BYTES_MAX, 'a key of page #', number)
      const key = this.#key
      key.bytes = page
      key.start = at + NODE_BYTES
      key.end = key.start + length
      if (before !== undefined) {
        const step = order(before, key)
        // Only the bound may be the same as the first.
        check(step < 0 || (step === 0 && before === from), 'the order of page #', number)
      }
      check(to === undefined || order(key, to) < 0, 'the keys of page #', number)
      const last = this.#before
      last.bytes = page
      last.start = key.start
      last.end = key.end
      before = last
    }
  }

  #record(page: Buffer, at: number, { counts, visit }: Passage): void {
    counts.entries += 1
    const key = this.#key
    key.bytes = page
    key.start = at + NODE_BYTES
    key.end = key.start + page.readUInt16LE(at + 6)
    this.#readValue(page, at, key.end, counts)
    visit(key, this.#value)
  }

  /** Where the nodes of a page begin: they fill it, from `upper` to its end. */
  #nodes(page: Buffer, level: number): readonly number[] {
    const isLeaf = level === 1
    const [lower, upper] = [
      page.readUInt16LE(HEADER_BYTES - 4),
      page.readUInt16LE(HEADER_BYTES - 2),
    ]
    const room = this.#meta.pageBytes - HEADER_BYTES
    check(lower % 2 === 0 && lower <= upper && upper <= room, 'the head of a page')
    const nodes: number[] = []
    for (let at = HEADER_BYTES; at < HEADER_BYTES + lower; at += 2) {
      const node = HEADER_BYTES + page.readUInt16LE(at)
      check(node >= HEADER_BYTES + upper && node + NODE_BYTES <= page.length, 'a node')
      nodes.push(node)
    }
    let end = HEADER_BYTES + upper
    for (const at of Uint32Array.from(nodes).sort()) {
      check(at === end, 'the nodes of a page')
      end += NODE_BYTES + page.readUInt16LE(at + 6)
      const isBig = isLeaf && page.readUInt16LE(at + 4) === BIG
      if (isLeaf) end += isBig ? 3 * WORD_BYTES : page.readUInt32LE(at)
      end += end % 2
    }
    check(end === page.length, 'the nodes of a page')
    return nodes
  }

  #readValue(page: Buffer, node: number, at: number, counts: Counts): void {
    const value = this.#value
    const [bytes, kind] = [page.readUInt32LE(node), page.readUInt16LE(node + 4)]
    if (kind === 0) {
      value.bytes = page
      value.start = at
      value.end = at + bytes
      return
    }
    check(kind === BIG, 'the kind of a node')
    const [number, pages] = [word(page, at), word(page, at + 2 * WORD_BYTES)]
    this.#use(number, pages)
    counts.overflows += pages
    const size = pages * this.#meta.pageBytes
    check(HEADER_BYTES + bytes <= size, 'the size of a large value')
    if (this.#big.length < size) this.#big = Buffer.alloc(size)
    const start = number * this.#meta.pageBytes
    const length = readSync(this.#file, this.#big, 0, HEADER_BYTES + bytes, start)
    check(length === HEADER_BYTES + bytes, 'page # is missing', number)
    this.#head(this.#big, number, OVERFLOW)
    check(this.#big.readUInt32LE(HEADER_BYTES - 4) === pages, 'the size of a large value')
    value.bytes = this.#big
    value.start = HEADER_BYTES
    value.end = HEADER_BYTES + bytes
  }

  #read(number: number, level: number, kind: number): Buffer {
    this.#use(number, 1)
    const page = this.#pages.read(number)
    check(page !== undefined, 'page # is missing', number)
    this.#head(page, number, kind)
    if (kind === LEAF) return page
    // Pages below it are read before it is done with.
    const branch = (this.#branches[level] ??= Buffer.alloc(page.length))
    branch.set(page)
    return branch
  }

  #head(page: Buffer, number: number, kind: number): void {
    const isOwn = word(page, 0) === number && word(page, WORD_BYTES) <= this.#meta.transaction
    const [pad, flags] = [page.readUInt16LE(HEADER_BYTES - 8), page.readUInt16LE(HEADER_BYTES - 6)]
    check(isOwn && pad === 0 && flags === kind, 'the head of page #', number)
  }

  #use(number: number, pages: number): void {
    const end = number + pages
    check(pages >= 1 && end <= this.#meta.lastPage + 1, 'page # is beyond the last', number)
    for (let at = number; at < end; at += 1) {
      check(this.#isUsed[at] === 0, 'page # has two uses', at)
      this.#isUsed[at] = 1
    }
  }
}

/** The key of a node. */
function partOf(page: Buffer, at: number): Part {
  const start = at + NODE_BYTES
  return { bytes: page, start, end: start + page.readUInt16LE(at + 6) }
}

/** Keys are short: a call of `compare` would take longer. */
function compareBytes(a: Part, b: Part): number {
  const length = Math.min(a.end - a.start, b.end - b.start)
  for (let i = 0; i < length; i++) {
    const step = (a.bytes[a.start + i] as number) - (b.bytes[b.start + i] as number)
    if (step !== 0) return step
  }
  return a.end - a.start - (b.end - b.start)
}

function compareWords(a: Part, b: Part): number {
  return word(a.bytes, a.start) - word(b.bytes, b.start)
}

/** What is too large for a number is larger than any that is allowed. */
function word(bytes: Buffer, at: number): number {
  const low = bytes.readUInt32LE(at)
  return WORD_BYTES === 4 ? low : low + bytes.readUInt32LE(at + 4) * 2 ** 32
}

function signedWord(bytes: Buffer, at: number): number {
  if (WORD_BYTES === 4) return bytes.readInt32LE(at)
  return bytes.readUInt32LE(at) + bytes.readInt32LE(at + 4) * 2 ** 32
}

/** @param what with a # where the page's number is to be */
function check(holds: boolean, what: string, page = 0): asserts holds {
  if (!holds) throw new DamagedPages(what.replace('#', String(page)))
}
