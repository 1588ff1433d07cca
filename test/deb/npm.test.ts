import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('what npm packs installs, and its programs and its library work', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'lamportd-npm-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // Without scripts: what is tested is built already, and must stay while it is.
  const quiet = {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'],
  }
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], quiet)
  const archive = join(folder, readdirSync(folder)[0] ?? '')
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const args = ['install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', archive]
  execFileSync('npm', args, { ...quiet, cwd: folder })

  const program = (name: string): string => join(folder, 'node_modules/.bin', name)
  const socket = join(folder, 'control.sock')
  writeFileSync(
    join(folder, 'hosts.yml'),
    'cluster: alone\nhosts:\n  - { id: 1, name: one, address: 127.0.0.1, port: 7457 }\n',
  )
  const daemon = spawn(program('lamportd'), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env.PATH,
      LAMPORT_HOSTS: join(folder, 'hosts.yml'),
      LAMPORT_STATE: join(folder, 'state'),
      LAMPORT_SOCKET: socket,
      LAMPORT_ID: '1',
    },
  })
  t.teardown(() => daemon.kill('SIGKILL'))
  await once(daemon.stderr, 'data')
  const lamportctl = (...line: readonly string[]): string =>
    execFileSync(program('lamportctl'), ['--socket', socket, ...line], { encoding: 'utf8' })
  t.is(lamportctl('lock', '-w', '20', 'door', 'echo', 'in'), 'in\n')
  lamportctl('set', 'speed', '12')
  const script = `import { connect } from 'lamportd'
    const client = await connect({ socket: process.argv[1] })
    const { value } = await client.get('speed')
    process.stdout.write(String(value))
    client.close()`
  const library = spawnSync(process.execPath, ['--input-type=module', '-e', script, socket], {
    cwd: folder,
    encoding: 'utf8',
  })
  t.is(library.stdout, '12', library.stderr)
  daemon.kill()
  const [code] = (await once(daemon, 'exit')) as [number]
  t.is(code, 0)
})
