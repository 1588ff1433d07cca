import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Where a line of the log is made: in place, or by a function that only passes it on. */
const SITES = new RegExp(
  [
    String.raw`\blog\.(?:info|warning|error)\(`,
    String.raw`#log\.(?:info|warning|error)\(`,
    String.raw`#log\(\s*'(?:info|warning|error)'`,
    String.raw`\.notice\(\s*(?:'|hello\b|isVague\b|undefined\b)`,
    String.raw`\.warn\(\s*\``,
    String.raw`#tell\(host`,
    String.raw`new Refusal\(`,
    String.raw`throw (?:refused|damaged|damagedRecord|cannotCreate|socketInUse)\(`,
    String.raw`\breturn cannotCreate\(`,
  ].join('|'),
  'g',
)

/** Sites that pass on what was made elsewhere, or share a row with another, and how many. */
const PASSING: Readonly<Record<string, number>> = {
  // `log` of a text that `#tell` was given, and one of the transport's.
  'src/daemon/names.ts': 2,
  'src/daemon/daemon.ts': 1,
  'src/node.ts': 1,
  // What `Founding` has to tell at the start.
  'src/core/host.ts': 1,
  // What was refused, of identity.ts as well; the warnings of --check, which are no log.
  'src/daemon/main.ts': 4,
  // `describeStrange` in notices.ts made it.
  'src/transport/peer.ts': 1,
  // What `Strangers` has to tell.
  'src/transport/endpoint.ts': 1,
  // The one that `refused` makes.
  'src/daemon/key.ts': 1,
  // Those that `cannotCreate` makes; the path of the socket is in use in three ways.
  'src/daemon/locks.ts': 5,
  // All ways in which a state is damaged have one row.
  'src/daemon/store.ts': 6,
}

/** Where a text is made that is passed on elsewhere. */
const MADE = [
  'src/transport/notices.ts',
  'src/transport/strangers.ts',
  'src/daemon/identity.ts',
  'src/core/founding.ts',
]

type Row = { readonly line: string; readonly source: string }

/** The rows of all tables that name a source in their last column. */
function rowsOf(text: string): Row[] {
  const found = text.matchAll(/^\| `(.+?)` \|.*\| `(src\/[\w./-]+)` \|$/gm)
  return [...found].map(([, line = '', source = '']) => ({ line, source }))
}

/** What is said of a source that has other lines than its rows. */
function faults(rows: readonly Row[], sources: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  for (const { line, source } of rows) {
    const text = sources.get(source) ?? readFileSync(join(root, source), 'utf8')
    for (const part of line.split('…').map(each => each.replace(/^[\s:,]+|\s+$/g, ''))) {
      // A lone word or bracket says nothing.
      if (part.length >= 4 && !text.includes(part)) found.push(`${source} has no "${part}"`)
    }
  }
  for (const [source, text] of sources) {
    const sites = [...text.matchAll(SITES)].length - (PASSING[source] ?? 0)
    const count = rows.filter(row => row.source === source).length
    if (sites !== count && !MADE.includes(source)) {
      found.push(`${source} makes ${sites} lines, and ${count} are listed`)
    }
  }
  return found
}

function sources(): Map<string, string> {
  const names = ['src/daemon', 'src/core', 'src/transport'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts') && !name.startsWith('doctor/'))
      .map(name => join(folder, name)),
  )
  return new Map(
    [...names, 'src/node.ts'].map(name => [name, readFileSync(join(root, name), 'utf8')]),
  )
}

const operations = readFileSync(join(root, 'docs/operations.md'), 'utf8')

test('docs/operations.md lists every line of the log, and none that is not there', t => {
  const rows = rowsOf(operations)
  t.true(rows.length > 50, `${rows.length} rows`)
  t.deepEqual(faults(rows, sources()), [])
})

test('a line that is new, gone or worded anew is noticed', t => {
  const rows = rowsOf(operations)
  const all = sources()
  const wifi = all.get('src/daemon/wifi.ts') ?? ''
  const change = (text: string): string[] =>
    faults(rows, new Map(all).set('src/daemon/wifi.ts', text))
  t.deepEqual(change(wifi), [])
  t.regex(change(`${wifi}log.info('news')`).join(), /makes 2 lines, and 1 are listed/)
  t.regex(change(wifi.replace('log.warning(', 'void (')).join(), /makes 0 lines, and 1/)
  t.regex(change(wifi.replace('saves power: packets', 'sleeps: packets')).join(), /has no "saves/)
})
