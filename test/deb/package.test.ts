import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { checkIntegrity } from '../../src/deb/binary.ts'
import { CONFFILES } from '../../src/deb/contents.ts'
import { debianVersion } from '../../src/deb/control.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const builder = join(root, 'dist/src/deb/main.js')

const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? 'amd64'

/** More than Node and the system have to bring is not allowed for. */
const INSTALLED_BYTES_MAX = 12e6

function build(t: { teardown(work: () => void): void }, umask: string, zone: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lamportd-deb-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const line = `umask ${umask} && exec "$0" "$@"`
  const args = [process.execPath, builder, '--arch', architecture, '--out', folder]
  const run = spawnSync('sh', ['-c', line, ...args], {
    encoding: 'utf8',
    env: { ...process.env, TZ: zone, SOURCE_DATE_EPOCH: '1700000000' },
  })
  if (run.status !== 0) throw new Error(run.stderr)
  return join(folder, readdirSync(folder)[0] ?? '')
}

function dpkg(...args: readonly string[]): string {
  return execFileSync('dpkg-deb', args, { encoding: 'utf8' })
}

test.before(() => {
  execFileSync(process.execPath, [join(root, 'dist/src/man/main.js')])
})

test('the package is the same, whoever builds it: names, modes, owners, dates, order', t => {
  const [one, other] = [build(t, '022', 'UTC'), build(t, '077', 'Asia/Tokyo')]
  t.deepEqual(readFileSync(one), readFileSync(other))
  const lines = dpkg('--contents', one).trim().split('\n')
  for (const line of lines) t.regex(line, /^[dl-]rwx?r?w?x?.* root\/root .* 2023-11-14 /)
  const modes = lines.map(line => line.slice(0, 10))
  t.deepEqual([...new Set(modes)].sort(), ['-rw-r--r--', '-rwxr-xr-x', 'drwxr-xr-x', 'lrwxrwxrwx'])
})

test('the package has all that it needs, is small, and knows its configuration', t => {
  const file = build(t, '022', 'UTC')
  const names = dpkg('--contents', file)
  for (const name of [
    'usr/sbin/lamportd -> ../lib/lamportd/',
    'usr/bin/lamportctl -> ../lib/lamportd/',
    'usr/lib/systemd/system/lamportd.service',
    'usr/share/man/man8/lamportd.8.gz',
    'usr/share/man/man1/lamportctl.1.gz',
    'usr/share/man/man5/hosts.yml.5.gz',
    'usr/share/bash-completion/completions/lamportctl',
    'usr/share/zsh/vendor-completions/_lamportctl',
    'usr/share/fish/vendor_completions.d/lamportctl.fish',
    'usr/share/doc/lamportd/copyright',
    'examples/lamport-hold@.service',
  ]) {
    t.true(names.includes(name), name)
  }
  t.is(names.match(/\.node$/gm)?.length, 1)
  const folder = join(file, '..', 'tree')
  dpkg('--raw-extract', file, folder)
  const size = execFileSync('du', ['-sb', folder], { encoding: 'utf8' })
  t.true(Number.parseInt(size) < INSTALLED_BYTES_MAX, size)
  const control = readFileSync(join(folder, 'DEBIAN/control'), 'utf8')
  t.regex(control, /^Depends: .*nodejs \(>= 20\.19\)/m)
  t.regex(control, new RegExp(`^Architecture: ${architecture}$`, 'm'))
  for (const path of CONFFILES) t.truthy(readFileSync(join(folder, path)))
  execFileSync('md5sum', ['--quiet', '-c', 'DEBIAN/md5sums'], { cwd: folder })
  const copyright = readFileSync(join(folder, 'usr/share/doc/lamportd/copyright'), 'utf8')
  for (const name of ['cbor-x', 'yaml', 'OpenLDAP', 'LZ4']) t.true(copyright.includes(name), name)
  // They start where nothing else of this repository is.
  for (const program of ['usr/sbin/lamportd', 'usr/bin/lamportctl']) {
    const run = spawnSync(process.execPath, [join(folder, program), '--version'])
    t.is(run.status, 0, String(run.stderr))
  }
  // And find the parts beside them that few commands need.
  const [ctl, trace] = [join(folder, 'usr/bin/lamportctl'), join(folder, 'run.jsonl')]
  const simulate = ['simulate', '--hosts', '2', '--trace', trace, '--svg', join(folder, 'run.svg')]
  const diagram = ['diagram', trace, '--output', join(folder, 'run.html')]
  for (const args of [simulate, diagram]) {
    const run = spawnSync(process.execPath, [ctl, ...args], { cwd: folder })
    t.is(run.status, 0, String(run.stderr))
  }
  t.regex(readFileSync(join(folder, 'run.svg'), 'utf8'), /^<svg /)
  const check = spawnSync(process.execPath, [join(folder, 'usr/sbin/lamportd')], {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      LAMPORT_HOSTS: join(root, 'hosts.yml'),
      LAMPORT_ID: '1',
      LAMPORT_STATE: join(root, 'hosts.yml'),
      LAMPORT_SOCKET: join(folder, 'control.sock'),
    },
  })
  // So far that lmdb's native part has been loaded.
  t.is(check.status, 73, check.stderr)
  t.regex(check.stderr, /the state folder .*hosts\.yml cannot be used/)
})

test('what npm brings has to be what was locked, to the last bit', t => {
  const bytes = Buffer.from('a native part')
  const integrity =
    'sha512-' +
    execFileSync('openssl', ['dgst', '-sha512', '-binary'], { input: bytes }).toString('base64')
  t.notThrows(() => checkIntegrity('it', bytes, integrity))
  bytes[0] = 0
  t.throws(() => checkIntegrity('it', bytes, integrity), { message: /not what package-lock\.json/ })
})

test("a pre-release is older than its release, in Debian's order too", t => {
  t.is(debianVersion('1.0.0-rc.1'), '1.0.0~rc.1')
  t.is(debianVersion('1.0.0'), '1.0.0')
})

test('an architecture that there is no package for is refused', t => {
  const run = spawnSync(process.execPath, [builder, '--arch', 'armv6'], { encoding: 'utf8' })
  t.is(run.status, 1)
  t.regex(run.stderr, /there is no package for armv6 \(choose among amd64, arm64, armhf\)/)
})
