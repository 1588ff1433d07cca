import { execFileSync } from 'node:child_process'
import { chmodSync, lutimesSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Item } from './contents.ts'
import { withTemporaryFolder } from './folder.ts'

/**
 * Packs the items into `file`, the same bytes for the same items, whoever does it and when.
 * @param date of everything in it, in seconds since 1970
 */
export function writePackage(file: string, items: readonly Item[], date: number): void {
  withTemporaryFolder(folder => {
    const tree = join(folder, 'tree')
    for (const item of items) put(join(tree, item.path), item)
    stamp(tree, date)
    // More than one thread would cut the archive into as many blocks.
    const options = ['--root-owner-group', '--threads-max=1', '-Zxz']
    execFileSync('dpkg-deb', [...options, '--build', tree, file], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(date), LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 2],
    })
  })
}

function put(path: string, item: Item): void {
  mkdirSync(dirname(path), { recursive: true })
  if ('target' in item) {
    symlinkSync(item.target, path)
    return
  }
  writeFileSync(path, item.bytes)
  // Whatever the umask of whoever builds it.
  chmodSync(path, item.mode)
}

function stamp(path: string, date: number): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) stamp(inner, date)
    else lutimesSync(inner, date, date)
  }
  chmodSync(path, 0o755)
  lutimesSync(path, date, date)
}
