// Three machines on one network, in this one: npm run test:lan (root; Debian's debootstrap and
// systemd-container). Everything is in namespaces of its own, and gone at the end.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ControlGroups } from './control-groups.ts'
import { makeBase, problemHere } from './base.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The package, and the one that it is upgraded to. */
const VERSIONS = ['1.0.0~lan1', '1.0.0~lan2']

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

process.exitCode = main()

function main(): number {
  const architecture = ARCHITECTURES[process.arch]
  const problem =
    architecture === undefined ? `no package for ${process.arch} boots here` : problemHere()
  if (architecture === undefined || problem !== undefined) return skip(problem ?? '')
  const folder = mkdtempSync(join(tmpdir(), 'lamportd-lan-'))
  const groups = new ControlGroups(`lamportd-lan-${process.pid}`)
  try {
    // $LAN_BASE keeps it for the next time.
    const base = process.env.LAN_BASE ?? join(folder, 'base')
    const start = performance.now()
    const failure = makeBase(base, architecture)
    if (failure !== undefined) return skip(failure)
    process.stdout.write(`a Debian, after ${((performance.now() - start) / 1000).toFixed(0)} s\n`)
    const packages = VERSIONS.map(version => buildPackage(folder, version, architecture))
    return inNamespaces([folder, base, groups.name, ...packages, ...process.argv.slice(2)])
  } finally {
    groups.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Not a failure: a machine that cannot do it says so, and what would help. */
function skip(reason: string): number {
  process.stdout.write(`LAN in a box: skipped: ${reason}\n`)
  return 0
}

function buildPackage(folder: string, version: string, architecture: string): string {
  const args = ['--arch', architecture, '--version', version, '--out', folder]
  const run = spawnSync(process.execPath, [join(root, 'dist/src/deb/main.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (run.status !== 0) throw new Error('there is no package to install')
  return join(folder, `lamportd_${version}_${architecture}.deb`)
}

/** Mounts, network and processes vanish with the process that has them, however it ends. */
function inNamespaces(args: readonly string[]): number {
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--kill-child']
  const program = [process.execPath, '--enable-source-maps', join(here, 'inside.js')]
  const run = spawnSync('unshare', [...namespaces, ...program, ...args], { stdio: 'inherit' })
  return run.status ?? 1
}
