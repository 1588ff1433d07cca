import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Architecture } from './binary.ts'
import { CONFFILES } from './contents.ts'
import type { Item } from './contents.ts'

const SCRIPTS = ['postinst', 'prerm', 'postrm'] as const

/** systemd: sysusers, notify. libc6: what lmdb's native part was linked with. */
const DEPENDS = 'nodejs (>= 20.19), systemd (>= 252), libc6 (>= 2.34), libstdc++6'

const DESCRIPTION = `locks and variables that a handful of hosts agree on
 Each host of a LAN runs lamportd, and together they settle who enters first,
 by Lamport's algorithm over UDP, without a server. lamportctl lock is flock(1)
 across hosts; variables are on the disks of a majority before a write is done.
 .
 It starts when hosts.yml and a key are in /etc/lamportd:
 systemctl enable --now lamportd.`

/** The files that tell dpkg about the package. */
export function controlItems(
  root: string,
  version: string,
  architecture: Architecture,
  items: readonly Item[],
): readonly Item[] {
  const file = (path: string, content: string, mode = 0o644): Item => {
    return { path: `DEBIAN/${path}`, bytes: Buffer.from(content), mode }
  }
  return [
    file('control', fields(version, architecture, items)),
    file('conffiles', CONFFILES.map(path => `/${path}\n`).join('')),
    file('md5sums', md5sums(items)),
    ...SCRIPTS.map(name =>
      file(name, readFileSync(join(root, 'systemd/deb', name), 'utf8'), 0o755),
    ),
  ]
}

/** semver's pre-releases come before the release here too. */
export function debianVersion(version: string): string {
  return version.replace('-', '~')
}

function fields(version: string, architecture: Architecture, items: readonly Item[]): string {
  const bytes = items.map(item => ('bytes' in item ? item.bytes.length : 0))
  const kibibytes = bytes.reduce((sum, size) => sum + Math.ceil(size / 1024), 0)
  return [
    'Package: lamportd',
    `Version: ${debianVersion(version)}`,
    `Architecture: ${architecture}`,
    'Maintainer: the lamportd authors <lamportd@localhost>',
    `Installed-Size: ${kibibytes}`,
    `Depends: ${DEPENDS}`,
    'Suggests: iw',
    'Section: admin',
    'Priority: optional',
    `Description: ${DESCRIPTION}`,
    '',
  ].join('\n')
}

function md5sums(items: readonly Item[]): string {
  const lines = items.flatMap(item => {
    if (!('bytes' in item) || CONFFILES.includes(item.path)) return []
    return [`${createHash('md5').update(item.bytes).digest('hex')}  ${item.path}\n`]
  })
  return lines.sort().join('')
}
