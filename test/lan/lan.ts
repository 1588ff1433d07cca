import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Box } from './box.ts'
import type { ControlGroups } from './control-groups.ts'
import { run, waitFor } from './run.ts'

const NAMES = ['kitchen', 'garage', 'attic'] as const

/** The disk that is filled and that fails is of this box. */
export const STATE_DISK_MIB = 24

/** A little more patience than boxes of their own need: these share the processors of one. */
const HEAD = ['key: cluster.key', 'timing: { suspect: 2500ms, lease: 3s }', 'hosts:']

/** Three boxes on one bridge. */
export class Lan {
  readonly kitchen: Box
  readonly garage: Box
  readonly attic: Box
  /** Files of packages as the boxes see them: the first one, and what it is upgraded to. */
  readonly packages: readonly string[]
  readonly #shared: string

  constructor(folder: string, base: string, groups: ControlGroups, packages: readonly string[]) {
    this.#shared = join(folder, 'shared')
    mkdirSync(this.#shared)
    // What is unmounted here has to go from the copies that the boxes began with as well. Of the
    // machine this is cut off: unshare made all mounts private.
    run('mount', '--make-rshared', '/')
    // A tmpfs, because systemd-nspawn empties it, and does so to nothing that could be a disk.
    mkdirSync('/run/systemd/nspawn', { recursive: true })
    run('mount', '-t', 'tmpfs', 'tmpfs', '/run/systemd/nspawn')
    run('ip', 'link', 'add', 'lan', 'type', 'bridge')
    run('ip', 'link', 'set', 'lan', 'up')
    const boxes = join(folder, 'boxes')
    const place = { folder: boxes, base, shared: this.#shared, groups }
    const [kitchen, garage, attic] = NAMES.map(
      (name, index) => new Box(place, index + 1, name, `10.77.0.${11 + index}`),
    ) as [Box, Box, Box]
    this.kitchen = kitchen
    this.garage = garage
    this.attic = attic
    garage.attachDisk('var/lib/lamportd', STATE_DISK_MIB)
    this.packages = packages.map((file, index) => {
      const name = `lamportd-${index}.deb`
      run('cp', file, join(this.#shared, name))
      return `/lan/${name}`
    })
  }

  get boxes(): readonly [Box, Box, Box] {
    return [this.kitchen, this.garage, this.attic]
  }

  /** What all boxes see at /lan/NAME. */
  share(name: string, content: string): void {
    writeFileSync(join(this.#shared, name), content, { mode: 0o755 })
  }

  shared(name: string): string {
    return readFileSync(join(this.#shared, name), 'utf8')
  }

  /** The same on every box, at the same time. */
  onAll(line: string, boxes: readonly Box[] = this.boxes): Promise<readonly string[]> {
    return Promise.all(boxes.map(box => box.must(line)))
  }

  /** hosts.yml as it is on every box. */
  hostsFile(boxes: readonly Box[] = this.boxes, cluster = 'workshop'): string {
    const lines = boxes.map(
      ({ id, name, address }) => `  - { id: ${id}, name: ${name}, address: ${address} }`,
    )
    return [`cluster: ${cluster}`, ...HEAD, ...lines, ''].join('\n')
  }

  /** Copied as somebody would: by root, with root's umask. */
  copyHostsFile(boxes: readonly Box[] = this.boxes, members: readonly Box[] = this.boxes): void {
    for (const box of boxes) box.write('etc/lamportd/hosts.yml', this.hostsFile(members))
  }

  /** Until those boxes are one view, and nobody else is in it. */
  async together(boxes: readonly Box[] = this.boxes, timeoutMs = 30_000): Promise<void> {
    const names = boxes.map(({ name }) => name).sort()
    for (const box of boxes) {
      await waitFor(`${box.name} to be in a view of ${names.join(', ')}`, timeoutMs, async () => {
        const status = await this.status(box)
        const members = [...(status?.view?.members ?? [])].sort()
        return members.join() === names.join() && status?.majority === true
      })
    }
  }

  /** How often the boxes have begun anew: a lock that is held does not outlive that. */
  async incarnations(): Promise<number> {
    const all = await Promise.all(this.boxes.map(box => this.status(box)))
    return all.reduce((sum, status) => sum + (status?.incarnation ?? 0), 0)
  }

  async status(box: Box): Promise<Status | undefined> {
    const { code, stdout } = await box.run('lamportctl --json status')
    return code === 0 ? (JSON.parse(stdout) as Status) : undefined
  }
}

/** The part of `lamportctl --json status` that is looked at. */
export type Status = {
  readonly version: string
  readonly majority: boolean
  readonly incarnation: number
  readonly keys: readonly string[]
  readonly hosts: readonly { readonly self: boolean; readonly key: string | null }[]
  readonly view?: { readonly members: readonly string[] }
}
