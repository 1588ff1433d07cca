import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Whose code is in the programs besides ours: esbuild.config.js writes it down. */
const BUNDLED = 'dist/bundled.json'

/** In lmdb's native part, in C. */
const NATIVE = [
  ['LMDB', 'node_modules/lmdb/dependencies/lmdb/libraries/liblmdb/LICENSE'],
  ['LMDB (its authors)', 'node_modules/lmdb/dependencies/lmdb/libraries/liblmdb/COPYRIGHT'],
  ['LZ4', 'node_modules/lmdb/dependencies/lz4/LICENSE'],
] as const

/** Our licence, and that of everything that is bundled: each asks to go along with its copies. */
export function copyright(root: string): string {
  const names = JSON.parse(readFileSync(join(root, BUNDLED), 'utf8')) as readonly string[]
  const parts = [
    `lamportd\n\n${readFileSync(join(root, 'LICENSE'), 'utf8')}`,
    'In the programs are, besides:',
    ...names.map(name => licenceOf(name, join(root, name))),
    ...NATIVE.map(([name, file]) => `${name}\n\n${readFileSync(join(root, file), 'utf8')}`),
  ]
  return `${parts.map(part => part.trim()).join(`\n\n${'-'.repeat(72)}\n\n`)}\n`
}

function licenceOf(path: string, folder: string): string {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  const description = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly version: string
    readonly license?: string
  }
  const file = readdirSync(folder).find(entry => /^(licen[cs]e|copying)/i.test(entry))
  const text =
    file !== undefined && existsSync(join(folder, file))
      ? readFileSync(join(folder, file), 'utf8')
      : `Licence: ${description.license ?? 'see its sources'}`
  return `${name} ${description.version}\n\n${text}`
}
