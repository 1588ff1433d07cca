import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where systemd keeps its own: the one tree of today, or the two of before. */
const HIERARCHIES = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].filter(
  folder => existsSync(join(folder, 'cgroup.procs')),
)

/** Groups of processes by which the kernel keeps the boxes apart. */
export class ControlGroups {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** The files to which a process writes 0 to be in the group of a box. */
  enter(box: string): readonly string[] {
    return HIERARCHIES.map(hierarchy => {
      const folder = join(hierarchy, this.name, box)
      mkdirSync(folder, { recursive: true })
      return join(folder, 'cgroup.procs')
    })
  }

  /** Ends what is left in them, and removes them. */
  remove(): void {
    for (const hierarchy of HIERARCHIES) removeTree(join(hierarchy, this.name))
  }
}

function removeTree(folder: string): void {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name))
  }
  for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
    if (pid !== '') killProcess(Number(pid))
  }
  // Processes that are killed take a moment to go.
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      rmdirSync(folder)
      return
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has gone.
  }
}
