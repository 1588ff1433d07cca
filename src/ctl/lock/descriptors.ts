import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const O_CLOEXEC = 0o2000000

/** Low numbers are what scripts take for their own redirections (`exec 3>log`). */
const ANCHOR_MIN = 10

/** The descriptors, beside 0, 1 and 2, that lamportctl got from whoever started it. */
export type Inherited = {
  /** To be listed for the command: libuv marked them, so that no child gets them unasked. */
  readonly listed: readonly number[]
  /** Where the anchor goes: a number that nothing inherited has. */
  readonly anchor: number
}

/**
 * Looks before anything of our own is opened. What Node itself has open by then is known by its
 * kind: epoll and event descriptors, and pipes whose both ends are here and which our parent
 * does not have (make's jobserver has both ends in everyone).
 */
export function inheritedDescriptors(): Inherited {
  const links = descriptorLinks('self')
  const ends = new Map<string, number>()
  for (const link of links.values()) ends.set(link, (ends.get(link) ?? 0) + 1)
  let parents: Set<string> | undefined
  const isOurs = (link: string): boolean => {
    if (link.startsWith('anon_inode:')) return true
    if (!link.startsWith('pipe:') || ends.get(link) !== 2) return false
    parents ??= new Set(descriptorLinks(String(process.ppid)).values())
    return !parents.has(link)
  }
  const inherited = [...links].filter(([number, link]) => number > 2 && !isOurs(link))
  const numbers = new Set(inherited.map(([number]) => number))
  const listed = [...numbers].filter(isMarked).sort((a, b) => a - b)
  let anchor = Math.max(ANCHOR_MIN, (listed.at(-1) ?? 0) + 1)
  while (numbers.has(anchor)) anchor++
  return { listed, anchor }
}

/** The `stdio` that gives a child all of them, and the anchor if there is one. */
export function stdioOf<T>(inherited: Inherited, anchor: T | undefined): (number | 'ignore' | T)[] {
  const stdio: (number | 'ignore' | T)[] = [0, 1, 2]
  const place = (number: number, what: number | T): void => {
    // 'ignore' beyond 2 leaves a number as it is.
    while (stdio.length < number) stdio.push('ignore')
    stdio[number] = what
  }
  for (const number of inherited.listed) place(number, number)
  if (anchor !== undefined) place(inherited.anchor, anchor)
  return stdio
}

/** Number and target of every open descriptor; nothing where we may not look. */
function descriptorLinks(process: string): ReadonlyMap<number, string> {
  const links = new Map<number, string>()
  const folder = `/proc/${process}/fd`
  try {
    for (const name of readdirSync(folder)) {
      const link = linkOf(`${folder}/${name}`)
      if (link !== undefined) links.set(Number(name), link)
    }
  } catch {
    // The parent is another user's, or gone.
  }
  return links
}

/** `undefined` where it is closed by now: the one that read the folder is among them. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** Unmarked ones reach every child by themselves. */
function isMarked(number: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${number}`, 'utf8'))
    return (parseInt(flags?.[1] ?? '0', 8) & O_CLOEXEC) !== 0
  } catch {
    return false
  }
}
