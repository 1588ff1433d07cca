import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { parseHosts } from '../src/daemon/config.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const lamportctl = join(root, 'dist/lamportctl.js')

function read(name: string): string {
  return readFileSync(join(root, name), 'utf8')
}

/** The code blocks of a language. */
function blocks(document: string, language: string): readonly string[] {
  const fence = new RegExp('^```' + language + '\\n(.*?)^```', 'gms')
  return [...document.matchAll(fence)].map(([, text]) => text ?? '')
}

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => join('docs', name)),
]

test('each hosts.yml that is shown is free of mistakes, and so is the one that is there', t => {
  const files = [read('hosts.yml'), ...documents.flatMap(name => blocks(read(name), 'yaml'))]
  t.true(files.length >= 2)
  for (const text of files) t.false('mistakes' in parseHosts(new TextEncoder().encode(text)), text)
})

test('each npm script that a document names exists', t => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = documents.flatMap(name =>
    [...read(name).matchAll(/npm run (?:-s )?([a-z]+(?::[a-z0-9]+)?)/g)].map(
      ([, script]) => script ?? '',
    ),
  )
  t.true(named.length >= 5)
  t.deepEqual(
    named.filter(script => !(script in scripts)),
    [],
  )
})

test('each command and option of lamportctl that the README names exists', t => {
  const help = (...args: readonly string[]): string =>
    spawnSync(process.execPath, [lamportctl, ...args, '--help'], { encoding: 'utf8' }).stdout
  const readme = read('README.md')
  const lines = [...readme.matchAll(/lamportctl (.*)/g)].map(([, rest]) => rest ?? '')
  const commands = lines.flatMap(rest => /^[a-z]+/.exec(rest)?.[0] ?? [])
  for (const name of ['lock', 'locks', 'status', 'keygen']) t.true(commands.includes(name), name)
  for (const [, name = '', option = ''] of readme.matchAll(/lamportctl ([a-z]+) (-\w|--[\w-]+)/g)) {
    t.regex(help(name), new RegExp(`(^|[ ,])${option}[, ]`, 'm'), `${name} ${option}`)
  }
  const paragraph = readme.split('\n\n').find(text => text.startsWith('`-s` shares')) ?? ''
  const options = [...paragraph.matchAll(/`(--?[a-z]+)/g)].map(([, option]) => option ?? '')
  t.deepEqual(options, ['-s', '--count', '--and'])
  for (const option of options) t.true(help('lock').includes(option), option)
})

test('the picture of a run is what lamportctl diagram makes of the traces beside it', t => {
  const args = ['diagram', ...['kitchen', 'garage', 'attic'].map(name => `docs/run/${name}.trace`)]
  const made = spawnSync(
    process.execPath,
    [lamportctl, ...args, '--title', 'One lock, three hosts', '--format', 'svg'],
    { cwd: root, encoding: 'utf8' },
  )
  t.is(made.stdout, read('docs/run.svg'))
  t.true(read('docs/diagram.md').includes("--title 'One lock, three hosts' -o run.svg"))
})

test('the library is imported by the name of the package', t => {
  const shown = blocks(read('README.md'), 'js').join('')
  t.regex(shown, /import \{ connect \} from 'lamportd'/)
  const script = "import { connect } from 'lamportd'; process.stdout.write(typeof connect)"
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root })
  t.is(String(run.stdout), 'function', String(run.stderr))
})

/** The tests that a document names, with their titles: `test/x.test.ts`: *title*. */
function citedTests(document: string): readonly (readonly [file: string, title: string])[] {
  const text = document.replace(/\s+/g, ' ')
  return [...text.matchAll(/`(test\/[\w./-]+)`: \*(.+?)\*(?=[ .;,)]|$)/g)].map(
    ([, file = '', title = '']) => [file, title] as const,
  )
}

/** Those of them that do not exist. */
function missingTests(document: string): readonly string[] {
  return citedTests(document).flatMap(([file, title]) => {
    const source = read(file).replace(/’/g, "'").replace(/\\'/g, "'")
    return source.includes(title.replace(/’/g, "'")) ? [] : [`${file} has no test "${title}"`]
  })
}

test('each test that stands beside a claim or a procedure exists', t => {
  const [operations, security] = [read('docs/operations.md'), read('docs/security.md')]
  t.true(citedTests(operations).length > 15, `${citedTests(operations).length}`)
  t.true(citedTests(security).length > 25, `${citedTests(security).length}`)
  t.deepEqual([...missingTests(operations), ...missingTests(security)], [])
  const lie = security.replace('*its own packets come back', '*its own packets come home')
  t.is(missingTests(lie).length, 1)
})
