import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  checkSocketPath,
  defaultSocketPath,
  defaultStatePath,
  findSocketPath,
} from '../../src/control/paths.ts'

const VARIABLES = ['STATE_DIRECTORY', 'RUNTIME_DIRECTORY', 'XDG_RUNTIME_DIR', 'LAMPORT_SOCKET']

/** Runs with these variables alone and this user, then puts all back. */
function as(user: number, variables: Record<string, string>, run: () => void): void {
  const before = new Map(VARIABLES.map(name => [name, process.env[name]]))
  const getuid = process.getuid
  for (const name of VARIABLES) Reflect.deleteProperty(process.env, name)
  Object.assign(process.env, variables)
  process.getuid = () => user
  try {
    run()
  } finally {
    if (getuid !== undefined) process.getuid = getuid
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  }
}

test.serial('root has one daemon, in the usual places', t => {
  as(0, {}, () => {
    t.is(defaultStatePath('attic'), '/var/lib/lamportd')
    t.is(defaultSocketPath('attic'), '/run/lamportd/control.sock')
    t.deepEqual(findSocketPath(undefined), { path: '/run/lamportd/control.sock' })
  })
})

test.serial('a unit has the folders that systemd gave it, the first of a list', t => {
  as(123, { STATE_DIRECTORY: '/var/lib/a:/var/lib/b', RUNTIME_DIRECTORY: '/run/a' }, () => {
    t.is(defaultStatePath('attic'), '/var/lib/a')
    t.is(defaultSocketPath('attic'), '/run/a/control.sock')
  })
})

test.serial('users have a folder and a socket for each host', t => {
  as(123, { XDG_RUNTIME_DIR: '/run/user/123' }, () => {
    t.true(defaultStatePath('attic').endsWith('/.local/state/lamportd/attic'))
    t.is(defaultSocketPath('attic'), '/run/user/123/lamportd/attic.sock')
  })
})

test.serial(
  'a client finds the one socket of its user, else the system’s; several are a choice',
  t => {
    const folder = mkdtempSync(join(tmpdir(), 'lamport-paths-'))
    const sockets = join(folder, 'lamportd')
    as(123, { XDG_RUNTIME_DIR: folder }, () => {
      t.deepEqual(findSocketPath(undefined), { path: '/run/lamportd/control.sock' })
      mkdirSync(sockets)
      writeFileSync(join(sockets, 'attic.sock'), '')
      writeFileSync(join(sockets, 'attic.admin.sock'), '')
      t.deepEqual(findSocketPath(undefined), { path: join(sockets, 'attic.sock') })
      writeFileSync(join(sockets, 'garage.sock'), '')
      const found = findSocketPath(undefined)
      t.true('problem' in found && found.problem.includes('attic.sock, '))
      t.true('problem' in found && found.problem.includes('garage.sock'))
    })
    rmSync(folder, { recursive: true })
  },
)

test.serial('what was given counts before the environment, and that before the defaults', t => {
  as(0, { LAMPORT_SOCKET: '/b.sock' }, () => {
    t.deepEqual(findSocketPath('/a.sock'), { path: '/a.sock' })
    t.deepEqual(findSocketPath(undefined), { path: '/b.sock' })
    t.true('problem' in findSocketPath(''))
  })
})

test('a path is refused where Node would cut it', t => {
  t.is(checkSocketPath('/' + 'a'.repeat(106)), undefined)
  t.regex(checkSocketPath('/' + 'a'.repeat(107)) ?? '', /108 bytes.*107/)
  t.regex(checkSocketPath('/' + 'ö'.repeat(54)) ?? '', /109 bytes/)
  t.regex(checkSocketPath('/a\0b') ?? '', /NUL/)
})
