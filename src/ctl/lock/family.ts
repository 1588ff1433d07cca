import { readdirSync, readFileSync } from 'node:fs'

/** One line of /proc/PID/stat, as far as it matters here. */
type Process = {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** With the pid, it names a process for good: pids come again. */
  readonly started: string
  readonly isZombie: boolean
}

/** How often a look round is repeated while new children still turn up. */
const ROUNDS_MAX = 5

/** A command and everything that it started: what must not outlive the lock. */
export class Family {
  readonly #pid: number
  readonly #ownsGroup: boolean
  /** Seen so far, by pid: whose parent dies is nobody's descendant any more. */
  readonly #seen = new Map<number, Process>()

  /** @param ownsGroup whether the command leads a group of its own, which is then the family's */
  constructor(pid: number, ownsGroup: boolean) {
    this.#pid = pid
    this.#ownsGroup = ownsGroup
  }

  /** Everyone gets the signal once. */
  signal(signal: NodeJS.Signals): void {
    const alive = this.#look()
    if (this.#ownsGroup) send(-this.#pid, signal)
    for (const process of alive) {
      if (!this.#isInGroup(process)) send(process.pid, signal)
    }
  }

  /** Nobody is left when this returns, but those that were starting and those we may not end. */
  kill(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      // Before anyone dies: the children of the dead are no longer known as such.
      const alive = this.#look()
      if (alive.length === 0) return
      if (this.#ownsGroup) send(-this.#pid, 'SIGKILL')
      for (const process of alive) send(process.pid, 'SIGKILL')
    }
  }

  isAlive(): boolean {
    return this.#look().length > 0
  }

  /** All that live, newly found ones among them. */
  #look(): readonly Process[] {
    const processes = allProcesses()
    for (const [pid, seen] of this.#seen) {
      if (processes.get(pid)?.started !== seen.started) this.#seen.delete(pid)
    }
    for (let grown = true; grown;) {
      grown = false
      for (const process of processes.values()) {
        if (this.#seen.has(process.pid) || !this.#isOurs(process)) continue
        this.#seen.set(process.pid, process)
        grown = true
      }
    }
    return [...processes.values()].filter(({ pid, isZombie }) => this.#seen.has(pid) && !isZombie)
  }

  #isOurs(process: Process): boolean {
    if (process.pid === this.#pid || this.#seen.has(process.parent)) return true
    return this.#isInGroup(process)
  }

  #isInGroup(process: Process): boolean {
    return this.#ownsGroup && process.group === this.#pid
  }
}

/** Sends to a process, or to a group (negative); those that are gone or not ours are left out. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ESRCH: it has ended. EPERM: it became another user's, and is beyond us.
  }
}

function allProcesses(): ReadonlyMap<number, Process> {
  const processes = new Map<number, Process>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const process = readProcess(name)
    if (process !== undefined) processes.set(process.pid, process)
  }
  return processes
}

/** proc_pid_stat(5): the name stands in parentheses and may contain some itself. */
function readProcess(pid: string): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state, parent, group] = fields
    return {
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      started: fields[19] ?? '',
      isZombie: state === 'Z' || state === 'X',
    }
  } catch {
    return undefined
  }
}
