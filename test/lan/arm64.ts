// The package for arm64 at work on this machine, each instruction translated by qemu:
// npm run test:arm64 (root; Debian's debootstrap and qemu-user-static).
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mirror, PATH, RELEASE } from './base.ts'
import { run, waitFor } from './run.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const QEMU = 'qemu-aarch64-static'

/** Translated code is slower by far. */
const START_MS = 240_000

process.exitCode = await main()

async function main(): Promise<number> {
  const problem = problemHere()
  if (problem !== undefined) {
    process.stdout.write(`arm64: skipped: ${problem}\n`)
    return 0
  }
  const folder = mkdtempSync(join(tmpdir(), 'lamportd-arm64-'))
  try {
    const base = join(folder, 'debian')
    const failure = unpackDebian(base)
    if (failure !== undefined) {
      process.stdout.write(`arm64: skipped: ${failure}\n`)
      return 0
    }
    const builder = join(root, 'dist/src/deb/main.js')
    run(process.execPath, builder, '--arch', 'arm64', '--out', folder)
    const file = readdirSync(folder).find(name => name.endsWith('_arm64.deb')) ?? ''
    run('dpkg-deb', '-x', join(folder, file), base)
    await smoke(folder, base)
    return 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function problemHere(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root unpacks a Debian'
  for (const [program, name] of [
    [QEMU, 'qemu-user-static'],
    ['debootstrap', 'debootstrap'],
  ]) {
    const found = spawnSync('sh', ['-c', `command -v ${program ?? ''}`], { env: { PATH } })
    if (found.status !== 0) return `${program} is not there (apt-get install ${name})`
  }
  return undefined
}

/** Unpacked and not set up, which would take programs of it that are called by its own. */
function unpackDebian(base: string): string | undefined {
  const from = mirror()
  if (from === undefined) return "apt knows no mirror of Debian's (apt-get update)"
  const kind = ['--foreign', '--variant=minbase', '--arch=arm64', '--include=nodejs']
  const { status, stdout, stderr } = spawnSync('debootstrap', [...kind, RELEASE, base, from], {
    encoding: 'utf8',
    env: { PATH, HOME: '/root' },
  })
  if (status !== 0) return `${stdout}${stderr}`.trim().split('\n').slice(-3).join(' | ')
  const archives = join(base, 'var/cache/apt/archives')
  for (const name of readdirSync(archives)) {
    if (name.endsWith('.deb')) run('dpkg-deb', '-x', join(archives, name), base)
  }
  return undefined
}

/** A lamportd of one host: it starts, gives a lock, keeps a variable over a restart, and ends. */
async function smoke(folder: string, base: string): Promise<void> {
  const home = join(base, 'usr/lib/lamportd')
  const node = [QEMU, '-L', base, join(base, 'usr/bin/node')] as const
  const hosts = join(folder, 'hosts.yml')
  writeFileSync(
    hosts,
    'cluster: arm\nhosts:\n  - { id: 1, name: pi, address: 127.0.0.1, port: 7458 }\n',
  )
  mkdirSync(join(folder, 'run'))
  const socket = join(folder, 'run/control.sock')
  const environment = { PATH, LAMPORT_SOCKET: socket }
  const lamportctl = (...args: readonly string[]): string => {
    const [program, ...rest] = [...node, join(home, 'lamportctl.cjs'), ...args]
    const done = spawnSync(program, rest, { encoding: 'utf8', env: environment })
    if (done.status === 0) return done.stdout.trim()
    throw new Error(`lamportctl ${args.join(' ')}: exit ${done.status}: ${done.stderr}`)
  }
  const report = run(...node, '-p', 'process.arch + " " + process.version').trim()
  for (const life of [1, 2]) {
    const [program, ...rest] = [...node, join(home, 'lamportd.cjs')]
    const begin = performance.now()
    const daemon = spawn(program, rest, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...environment, LAMPORT_HOSTS: hosts, LAMPORT_STATE: join(folder, 'state') },
    })
    try {
      await waitFor('lamportd to answer', START_MS, () => {
        if (daemon.exitCode !== null) throw new Error(`lamportd has ended: ${daemon.exitCode}`)
        return readdirSync(join(folder, 'run')).includes('control.sock')
      })
      const startMs = performance.now() - begin
      lamportctl('status', '--wait', '60')
      if (lamportctl('lock', '-w', '60', 'door', 'echo', 'in') !== 'in') throw new Error('no lock')
      if (life === 1) lamportctl('set', 'speed', '12')
      if (lamportctl('get', 'speed') !== '12') throw new Error('the variable is not there')
      const status = readFileSync(`/proc/${daemon.pid ?? 0}/status`, 'utf8')
      const memory = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024
      const seen = `started in ${(startMs / 1000).toFixed(1)} s, RSS ${memory.toFixed(0)} MiB`
      process.stdout.write(`ok ${report}, life ${life}: ${seen} (with qemu's own)\n`)
    } finally {
      const ended = new Promise(resolve => daemon.once('exit', resolve))
      daemon.kill()
      await Promise.race([ended, waitFor('', 20_000, () => daemon.exitCode !== null)])
    }
  }
}
