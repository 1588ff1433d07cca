import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'

/** What the boxes run: Debian's release of the day, with its own Node. */
export const RELEASE = 'trixie'
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'iproute2', 'nodejs', 'libfaketime']

/** What is run of this machine, by the package that brings it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  'dpkg-deb': 'dpkg',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  'mkfs.ext4': 'e2fsprogs',
  ip: 'iproute2',
}

/** npm puts programs of its own before the system's. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Why there can be no boxes here, if so. */
export function problemHere(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can boot machines (sudo npm run test:lan)'
  const missing = Object.keys(PROGRAMS).filter(
    name => spawnSync('sh', ['-c', `command -v ${name}`], { env: { PATH } }).status !== 0,
  )
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(name => PROGRAMS[name]))].join(' ')
    return `${missing.join(', ')} not there (apt-get install ${packages})`
  }
  if (!existsSync('/sys/fs/cgroup')) return 'there are no control groups'
  return undefined
}

/** Where this machine's own Debian comes from. */
export function mirror(): string | undefined {
  const args = ['indextargets', '--format', '$(SITE) $(REPO_URI)', 'Created-By: Packages']
  const { stdout } = spawnSync('apt-get', args, { encoding: 'utf8', env: { PATH } })
  const all = stdout.split('\n').map(line => line.split(' ')[1] ?? '')
  return all.find(uri => /\/debian\/?$/.test(uri)) ?? all.find(uri => uri !== '')
}

/** Makes `folder` the root of a new Debian, or says why not. */
export function makeBase(folder: string, architecture: string): string | undefined {
  if (existsSync(folder)) return undefined
  const from = mirror()
  if (from === undefined) return "apt knows no mirror of Debian's (apt-get update)"
  const unfinished = `${folder}.new`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(dirname(folder), { recursive: true })
  const include = `--include=${PACKAGES.join(',')}`
  const args = ['--variant=minbase', `--arch=${architecture}`, include, RELEASE, unfinished, from]
  const run = spawnSync('debootstrap', args, { encoding: 'utf8', env: { PATH, HOME: '/root' } })
  if (run.status !== 0) {
    rmSync(unfinished, { recursive: true, force: true })
    const last = `${run.stdout}${run.stderr}`.trim().split('\n').slice(-3).join(' | ')
    return `debootstrap made no Debian ${RELEASE}: ${last}`
  }
  renameSync(unfinished, folder)
  return undefined
}
