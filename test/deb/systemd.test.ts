import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const unit = join(root, 'systemd/lamportd.service')
const examples = join(root, 'systemd/examples')

/** Exposure, as systemd-analyze counts it; `undefined` where it cannot be asked. */
function exposure(file: string): number | undefined {
  const args = ['security', '--offline=true', '--no-pager', file]
  const { stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  const [, score] = /Overall exposure level for .*: ([\d.]+)/.exec(stdout) ?? []
  return score === undefined ? undefined : Number(score)
}

function folderFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lamportd-units-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('the service has only the rights that it needs', t => {
  const score = exposure(unit)
  if (score === undefined) {
    t.log('systemd-analyze cannot tell here')
    t.pass()
    return
  }
  t.true(score <= 2, `exposure ${score}`)
  const open = join(folderFor(t), 'open.service')
  const text = readFileSync(unit, 'utf8').replace(
    /^(NoNewPrivileges|ProtectSystem|Cap\w+)=.*$/gm,
    '',
  )
  writeFileSync(open, text)
  t.true((exposure(open) ?? 0) > 2, 'one that is open is seen to be')
})

test('no unit says anything that systemd does not know', t => {
  const folder = folderFor(t)
  const names = readdirSync(examples).filter(name => /\.(service|timer)$/.test(name))
  for (const name of names) copyFileSync(join(examples, name), join(folder, name))
  // An instance, so that %i means something; a program that is there, so that it may be called.
  const hold = readFileSync(join(folder, 'lamport-hold@.service'), 'utf8')
  writeFileSync(join(folder, 'lamport-hold@web.service'), hold)
  writeFileSync(join(folder, 'lamportd.service'), readFileSync(unit, 'utf8'))
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), 'utf8')
    writeFileSync(join(folder, name), text.replace(/\/usr\/s?bin\/lamport\w+/g, '/bin/true'))
  }
  const files = readdirSync(folder).filter(name => !name.includes('@.'))
  const verify = (): string => {
    const paths = files.map(name => join(folder, name))
    const run = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], { encoding: 'utf8' })
    if (run.error !== undefined) return ''
    // Delays that grow are of systemd 254; before, they stay what they are.
    return run.stderr.replace(/^.*Unknown key '?(RestartSteps|RestartMaxDelaySec).*\n/gm, '')
  }
  const said = verify()
    .split('\n')
    .filter(line => line.includes(folder) || /lamport/.test(line))
  t.deepEqual(said, [])
  writeFileSync(join(folder, 'lamportd.service'), `${readFileSync(unit, 'utf8')}\n[Sevrice]\nX=1\n`)
  if (spawnSync('systemd-analyze', ['--version']).status === 0) t.regex(verify(), /Sevrice/)
})
