import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Host } from './cluster.ts'
import type { Program } from './processes.ts'

/** One command that ran under the lock. */
export type Entry = { readonly token: number; readonly host: string }

/** Takes the file as flock(1) would, writes its token, says so, and works. */
const SCRIPT = `
  exec 9>>"$0" || exit 98
  if ! flock -n 9; then echo "$LAMPORT_LOCK_TOKEN $LAMPORT_HOST" >>"$0.refused"; exit 99; fi
  echo "$LAMPORT_LOCK_TOKEN $LAMPORT_HOST" >&9
  echo "in $LAMPORT_LOCK_TOKEN as $$"
  `

export type WorkOptions = {
  /** `true`: it does not stop for SIGTERM. */
  readonly isStubborn?: boolean
  /** Options of `lamportctl lock`. */
  readonly options?: readonly string[]
  readonly name?: string
}

/**
 * What a lock is there for: commands that must not run at the same time. The kernel looks on: each
 * takes flock(1) on one file while anything of it lives, so that no clock is needed to see two at
 * once, and the tokens in the file stand in the order of the entries.
 */
export class Work {
  readonly #file: string

  constructor(folder: string, name = 'work') {
    this.#file = join(folder, name)
    appendFileSync(this.#file, '')
  }

  /** A command under the lock; it says `in TOKEN` once it is inside. */
  begin(host: Host, seconds: number, how: WorkOptions = {}): Program {
    const { options = [], name = 'door', isStubborn = false } = how
    const trap = isStubborn ? `trap '' TERM HUP INT\n` : ''
    const script = `${trap}${SCRIPT}sleep ${seconds}`
    return host.ctl('lock', ...options, name, '/bin/sh', '-c', script, this.#file)
  }

  /** As `begin`, and it is inside. */
  async enter(host: Host, seconds: number, how: WorkOptions = {}): Promise<Program> {
    const program = this.begin(host, seconds, how)
    await program.said(/^in /m)
    return program
  }

  get entries(): readonly Entry[] {
    return linesOf(this.#file)
  }

  /** Nobody was inside with another, and tokens rose from entry to entry. */
  verify(t: ExecutionContext): void {
    const refused = existsSync(`${this.#file}.refused`) ? linesOf(`${this.#file}.refused`) : []
    t.deepEqual(refused, [], 'two were inside at once')
    const { entries } = this
    const falling = entries.filter(({ token }, at) => token <= (entries[at - 1]?.token ?? 0))
    t.deepEqual(falling, [], 'tokens rise')
  }
}

/** The process of the command, which leads a session of its own. */
export function commandOf(program: Program): number {
  return Number(/^in \d+ as (\d+)$/m.exec(program.stdout)?.[1])
}

function linesOf(file: string): readonly Entry[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map(line => {
    const [token, host = ''] = line.split(' ')
    return { token: Number(token), host }
  })
}
