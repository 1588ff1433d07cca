import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writePackage } from './archive.ts'
import { ARCHITECTURES, nativePart } from './binary.ts'
import type { Architecture } from './binary.ts'
import { contents, nativeItem } from './contents.ts'
import { controlItems, debianVersion } from './control.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

const USAGE = `npm run deb -- [--arch LIST] [--out DIR] [--version VERSION]

Builds Debian packages into DIR [dist/deb], of each architecture of LIST
[${Object.keys(ARCHITECTURES).join(',')}]. The same commit gives the same bytes.
VERSION: another one than that of package.json.
`

try {
  main()
} catch (error) {
  process.stderr.write(`deb: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

function main(): void {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: Object.keys(ARCHITECTURES).join(',') },
      out: { type: 'string', default: join(root, 'dist/deb') },
      version: { type: 'string', default: packageVersion() },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const architectures = values.arch.split(',').map(parseArchitecture)
  const date = dateOfSources()
  const out = resolve(values.out)
  mkdirSync(out, { recursive: true })
  const common = contents(root)
  for (const architecture of architectures) {
    const items = [...common, nativeItem(nativePart(root, architecture))]
    const control = controlItems(root, values.version, architecture, items)
    const file = join(out, `lamportd_${debianVersion(values.version)}_${architecture}.deb`)
    writePackage(file, [...items, ...control], date)
    const installed = items.reduce(
      (sum, item) => sum + ('bytes' in item ? item.bytes.length : 0),
      0,
    )
    process.stdout.write(
      `${file}: ${megabytes(statSync(file).size)}, installed ${megabytes(installed)}\n`,
    )
  }
}

function parseArchitecture(name: string): Architecture {
  if (Object.hasOwn(ARCHITECTURES, name)) return name as Architecture
  const known = Object.keys(ARCHITECTURES).join(', ')
  throw new Error(`there is no package for ${name} (choose among ${known})`)
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly version: string
  }
  return version
}

/** Of the last commit, unless $SOURCE_DATE_EPOCH says otherwise: a clock would change the bytes. */
function dateOfSources(): number {
  const given = process.env.SOURCE_DATE_EPOCH
  if (given !== undefined && /^\d+$/.test(given)) return Number(given)
  try {
    const args = ['log', '-1', '--format=%ct']
    return Number(execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    throw new Error('no date for the files: this is no git repository (set SOURCE_DATE_EPOCH)')
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
