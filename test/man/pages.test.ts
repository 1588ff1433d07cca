import { spawnSync } from 'node:child_process'
import test from 'ava'
import { COMMANDS } from '../../src/ctl/commands.ts'
import { FILE_FIELDS, HOST_FIELDS, keysOf, TIMING_FIELDS } from '../../src/daemon/hosts-fields.ts'
import { DAEMON_OPTIONS } from '../../src/daemon/options.ts'
import { pages } from '../../src/man/pages.ts'

const made = await pages()

/** As people see it, in one line. */
function shown(name: string): string {
  return (made.get(name) ?? '')
    .replace(/^\.(TP|B|SS) ?/gm, '')
    .replaceAll('\\-', '-')
    .replace(/\s+/g, ' ')
}

test('the manual has every command, option and field', t => {
  t.deepEqual([...made.keys()], ['lamportctl.1', 'hosts.yml.5', 'lamportd.8'])
  for (const { name } of COMMANDS)
    t.true(shown('lamportctl.1').includes(`lamportctl ${name}`), name)
  for (const [name] of DAEMON_OPTIONS) t.true(shown('lamportd.8').includes(`--${name}`), name)
  for (const key of keysOf([...FILE_FIELDS, ...HOST_FIELDS, ...TIMING_FIELDS])) {
    t.true(shown('hosts.yml.5').includes(`${key}: `), key)
  }
})

test('groff and mandoc find nothing wrong with it', t => {
  const tools: readonly (readonly [string, readonly string[]])[] = [
    ['groff', ['-man', '-ww', '-z', '-Tutf8', '-Kutf8']],
    ['mandoc', ['-Tlint', '-Wwarning']],
  ]
  for (const [tool, args] of tools) {
    for (const [name, page] of made) {
      const run = spawnSync(tool, args, { input: page, encoding: 'utf8' })
      if (run.error !== undefined) {
        t.log(`no ${tool} here: its opinion is left out (apt-get install mandoc groff-base)`)
        break
      }
      // There is none on purpose: see `Roff`.
      const said = (run.stdout + run.stderr).replace(/^.*WARNING: missing date.*\n/, '')
      t.is(said, '', `${tool} ${name}`)
    }
  }
  t.pass()
})
