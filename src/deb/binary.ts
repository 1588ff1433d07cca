import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { withTemporaryFolder } from './folder.ts'

/** Debian's names of what can be built for, and Node's. */
export const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64', armhf: 'arm' } as const

export type Architecture = keyof typeof ARCHITECTURES

/** The one that every Node from 20 on can load, which Debian's is not the only one to be. */
const FILE = 'node.napi.glibc.node'

type LockFile = {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly integrity: string } | undefined>
  >
}

/** The native part of lmdb, from npm, as package-lock.json knows it. */
export function nativePart(root: string, architecture: Architecture): Buffer {
  const name = `@lmdb/lmdb-linux-${ARCHITECTURES[architecture]}`
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile
  const entry = lock.packages[`node_modules/${name}`]
  if (entry === undefined) throw new Error(`package-lock.json has no ${name} (npm install)`)
  // What `npm ci` brought for this machine it has compared with package-lock.json itself.
  const installed = join(root, 'node_modules', name)
  if (versionOf(installed) === entry.version) return readFileSync(join(installed, FILE))
  return withTemporaryFolder(folder => {
    const wanted = `${name}@${entry.version}`
    const options = ['--silent', '--prefer-offline', '--pack-destination', folder]
    execFileSync('npm', ['pack', wanted, ...options], { cwd: root, stdio: ['ignore', 'ignore', 2] })
    const [file] = readdirSync(folder)
    if (file === undefined) throw new Error(`npm pack ${wanted} brought nothing (is npm reached?)`)
    const archive = readFileSync(join(folder, file))
    checkIntegrity(wanted, archive, entry.integrity)
    const limits = { maxBuffer: 64 * 1024 * 1024 }
    return execFileSync('tar', ['-xzO', `package/${FILE}`], { input: archive, ...limits })
  })
}

function versionOf(folder: string): string | undefined {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return undefined
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
}

/** Throws where the bytes are not those that were locked. */
export function checkIntegrity(name: string, bytes: Uint8Array, integrity: string): void {
  const found = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  if (found === integrity) return
  throw new Error(`${name} is not what package-lock.json says: ${found} instead of ${integrity}`)
}
