import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { PATH } from './base.ts'
import type { ControlGroups } from './control-groups.ts'
import { run, waitFor } from './run.ts'

/** What systemd-nspawn ends with where the box asked to be booted again. */
const REBOOT = 133

export type Output = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type BoxPlace = {
  /** Where the folders of the boxes are. */
  readonly folder: string
  /** The Debian that each of them begins with. */
  readonly base: string
  /** What all of them see as /lan. */
  readonly shared: string
  readonly groups: ControlGroups
}

/** A machine that boots systemd, on the bridge `lan`. What it writes outlives its end. */
export class Box {
  readonly name: string
  id: number
  address: string
  readonly #place: BoxPlace
  #nspawn: ChildProcess | undefined
  #leader = 0

  constructor(place: BoxPlace, id: number, name: string, address: string) {
    this.#place = place
    this.id = id
    this.name = name
    this.address = address
    this.#assemble()
  }

  /** Its first process, as seen from here. */
  get leader(): number {
    return this.#leader
  }

  /** The root of its files, as seen from here. */
  get root(): string {
    return join(this.#place.folder, this.name, 'root')
  }

  /** A file of it. */
  write(path: string, content: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), content)
  }

  /** Gives it a disk of its own of so many MiB at a path. */
  attachDisk(path: string, mebibytes: number): void {
    const image = join(this.#place.folder, `${this.name}.img`)
    run('truncate', '-s', `${mebibytes}M`, image)
    run('mkfs.ext4', '-q', '-m', '0', image)
    this.mountDisk(path)
  }

  mountDisk(path: string): void {
    const image = join(this.#place.folder, `${this.name}.img`)
    mkdirSync(join(this.root, path), { recursive: true })
    run('mount', '-o', 'loop', image, join(this.root, path))
  }

  /** What a boot after a failure of the disk does: looks, and puts right. */
  async repairDisk(path: string): Promise<void> {
    const image = join(this.#place.folder, `${this.name}.img`)
    run('umount', join(this.root, path))
    await waitFor(`${image} to be free`, 10_000, () => run('losetup', '-j', image) === '')
    // 1: there were errors, and they are corrected.
    run('sh', '-c', `e2fsck -p ${image} || [ $? -eq 1 ]`)
    this.mountDisk(path)
  }

  /** Done when its systemd has started what it starts. */
  async boot(): Promise<void> {
    const groups = this.#place.groups.enter(this.name)
    const enter = groups.map(file => `echo 0 > ${file}`).join(' && ')
    const options = [
      `--machine=${this.name}`,
      `--directory=${this.root}`,
      `--bind=${this.#place.shared}:/lan`,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--network-bridge=lan',
      '--console=pipe',
      '--link-journal=no',
      '--resolv-conf=off',
      '--timezone=off',
    ]
    const console = openSync(join(this.#place.folder, `${this.name}.console`), 'a')
    const child = spawn('sh', ['-c', `${enter} && exec systemd-nspawn ${options.join(' ')}`], {
      stdio: ['ignore', console, console],
      env: { PATH, SYSTEMD_LOG_LEVEL: 'warning' },
    })
    this.#nspawn = child
    await waitFor(`${this.name} to boot`, 60_000, async () => {
      if (child.exitCode !== null) throw new Error(`${this.name} did not boot: ${this.console()}`)
      this.#leader = childOf(child.pid ?? 0) ?? 0
      if (this.#leader === 0) return false
      const { stdout } = await this.run('systemctl is-system-running --wait')
      return /running|degraded/.test(stdout)
    })
  }

  /** What it has said to its console. */
  console(): string {
    return readFileSync(join(this.#place.folder, `${this.name}.console`), 'utf8').slice(-2000)
  }

  /** A line of shell in it, as root. */
  run(line: string, timeoutMs = 60_000): Promise<Output> {
    const enter = ['-t', String(this.#leader), '--all', '--root', '--wd', 'sh', '-c', line]
    const env = { PATH, HOME: '/root', LC_ALL: 'C.UTF-8' }
    return new Promise(resolve => {
      const child = execFile('nsenter', enter, { env, timeout: timeoutMs }, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124
        resolve({ code, stdout: out, stderr: err })
      })
      child.stdin?.end()
    })
  }

  /** A line that has to succeed: what it printed. */
  async must(line: string, timeoutMs = 60_000): Promise<string> {
    const { code, stdout, stderr } = await this.run(line, timeoutMs)
    if (code === 0) return stdout.trim()
    throw new Error(`${this.name}: ${line}\n  exit ${code}: ${stdout}${stderr}`)
  }

  /** The last words of its lamportd. */
  async journal(lines = 15): Promise<string> {
    const { stdout } = await this.run(`journalctl -u lamportd -o cat -n ${lines} --no-pager`)
    return stdout.trim()
  }

  async reboot(): Promise<void> {
    const ended = this.#ended()
    await this.run('systemctl reboot')
    const code = await ended
    if (code !== REBOOT) throw new Error(`${this.name} ended with ${code} at a reboot`)
    await this.boot()
  }

  /** Nothing of it runs from one moment to the next. */
  async powerCut(): Promise<void> {
    const ended = this.#ended()
    process.kill(this.#leader, 'SIGKILL')
    await ended
  }

  #ended(): Promise<number | null> {
    const child = this.#nspawn
    if (child === undefined || child.exitCode !== null) return Promise.resolve(null)
    return new Promise(resolve => child.once('exit', code => resolve(code)))
  }

  /** Another machine in its place, with nothing of what was on this one. */
  renew(): void {
    run('umount', this.root)
    for (const name of ['upper', 'work']) {
      rmSync(join(this.#place.folder, this.name, name), { recursive: true })
    }
    this.#assemble()
  }

  /** A root of its own over the common one; a name; an address. */
  #assemble(): void {
    const [upper, work] = ['upper', 'work'].map(name => join(this.#place.folder, this.name, name))
    for (const folder of [upper ?? '', work ?? '', this.root])
      mkdirSync(folder, { recursive: true })
    const layers = `lowerdir=${this.#place.base},upperdir=${upper},workdir=${work}`
    run('mount', '-t', 'overlay', '-o', layers, 'overlay', this.root)
    this.write('etc/hostname', `${this.name}\n`)
    this.write('etc/machine-id', 'uninitialized\n')
    this.setAddress(this.address)
    const wanted = 'etc/systemd/system/multi-user.target.wants'
    mkdirSync(join(this.root, wanted), { recursive: true })
    const unit = 'systemd-networkd.service'
    symlinkSync(`/usr/lib/systemd/system/${unit}`, join(this.root, wanted, unit))
  }

  /** From the next boot on, or from `networkctl reload`. */
  setAddress(address: string): void {
    this.address = address
    const network = ['[Match]', 'Name=host0', '[Network]', `Address=${address}/24`, 'DHCP=no', '']
    this.write('etc/systemd/network/10-lan.network', network.join('\n'))
  }
}

function childOf(parent: number): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent)
        return Number(name)
    } catch {
      // It has gone.
    }
  }
  return undefined
}
