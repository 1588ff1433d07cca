import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { folderOf } from '../helpers/daemon-folder.ts'
import { FakeDaemon } from '../helpers/fake-daemon.ts'
import { lamportctl, LAMPORTCTL } from '../helpers/lamportctl.ts'

/** What a program needs before it does anything: counts, which are the same on every machine. */
type Start = {
  /** Modules of Node's own that `node -e 0` does not load. */
  readonly modules: readonly string[]
  /** Characters of the program's parts that are compiled. */
  readonly compiled: number
}

/** Runs before the program, in its process, and tells at its end. */
const COUNTER = `
const vm = process.getBuiltinModule('node:vm')
const { writeFileSync } = process.getBuiltinModule('node:fs')
const before = new Set(process.moduleLoadList)
const compile = vm.compileFunction
let compiled = 0
vm.compileFunction = (text, ...rest) => {
  compiled += text.length
  return compile(text, ...rest)
}
process.once('exit', () => {
  const isNew = name => name.startsWith('NativeModule ') && !before.has(name)
  const modules = process.moduleLoadList.filter(isNew).map(name => name.split(' ')[1])
  writeFileSync(process.env.COUNTED, JSON.stringify({ modules, compiled }))
})`

/** A counter for `node --require`, and where it tells. */
function counterIn(t: ExecutionContext): { readonly file: string; readonly counted: string } {
  const folder = folderOf(t)
  const file = join(folder, 'counter.cjs')
  writeFileSync(file, COUNTER)
  return { file, counted: join(folder, 'counted') }
}

/** Runs a line of lamportctl against a daemon that grants and answers all. */
async function startOf(t: ExecutionContext, args: readonly string[]) {
  const value = { name: 'x', value: '12', version: 3, writer: { host: 'garage', time: 7 } }
  const daemon: FakeDaemon = await FakeDaemon.start({
    serve: heard => {
      if (heard.method === 'acquire') daemon.grant(heard)
      else if (heard.method === 'get') daemon.answer(heard, value)
      else return false
      return true
    },
  })
  t.teardown(() => daemon.stop())
  const { file, counted } = counterIn(t)
  const running = lamportctl(args, {
    socket: daemon.path,
    env: { COUNTED: counted },
    via: [process.execPath, '--require', file, LAMPORTCTL],
  })
  t.is(await running.ended, 0, running.stderr)
  const start = JSON.parse(readFileSync(counted, 'utf8')) as Start
  return { start, methods: daemon.heard.map(({ method }) => method), daemon }
}

test('a lock asks three things on two connections, and loads no more than it needs', async t => {
  const { start, methods, daemon } = await startOf(t, ['lock', 'x', 'true'])
  t.deepEqual(methods, ['acquire', 'anchor', 'release'])
  t.is(daemon.connections.length, 2)
  t.true(start.modules.length <= 40, start.modules.join(' '))
  t.true(start.compiled > 0 && start.compiled <= 125_000, `${start.compiled} characters`)
})

test('a get asks one thing on one connection, and loads no more than it needs', async t => {
  const { start, methods, daemon } = await startOf(t, ['get', 'x'])
  t.deepEqual(methods, ['get'])
  t.is(daemon.connections.length, 1)
  t.true(start.modules.length <= 35, start.modules.join(' '))
  t.true(start.compiled > 0 && start.compiled <= 105_000, `${start.compiled} characters`)
})

test('what is counted is what is loaded and compiled', t => {
  const { file, counted } = counterIn(t)
  const program = join(file, '..', 'program.cjs')
  const text = 'return 1 + 1'
  writeFileSync(
    program,
    `require('node:crypto'); require('node:vm').compileFunction('${text}', [], {})`,
  )
  const env = { ...process.env, COUNTED: counted }
  t.is(spawnSync(process.execPath, ['--require', file, program], { env }).status, 0)
  const { modules, compiled } = JSON.parse(readFileSync(counted, 'utf8')) as Start
  t.true(modules.includes('crypto') && modules.length > 20)
  t.is(compiled, text.length)
})
