import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

/** Where hosts.yml is unless `--hosts` or `$LAMPORT_HOSTS` says otherwise. */
export const defaultHostsPath: string = '/etc/lamportd/hosts.yml'

/** The socket of the system's own daemon. */
const SYSTEM_SOCKET = '/run/lamportd/control.sock'

/** sockaddr_un has 108 bytes, the last a zero. Node cuts what is longer, without a word. */
const SOCKET_PATH_BYTES_MAX = 107

/**
 * The folder of the daemon's durable state unless `--state` or `$LAMPORT_STATE` says otherwise.
 * Users who are not root may run several hosts on one machine: each has a folder of its own.
 */
export function defaultStatePath(hostName: string): string {
  const given = firstOf(process.env.STATE_DIRECTORY)
  if (given !== undefined) return given
  return isRoot() ? '/var/lib/lamportd' : join(homedir(), '.local/state/lamportd', hostName)
}

/** Where the daemon listens unless `--socket` or `$LAMPORT_SOCKET` says otherwise. */
export function defaultSocketPath(hostName: string): string {
  const given = firstOf(process.env.RUNTIME_DIRECTORY)
  if (given !== undefined) return join(given, 'control.sock')
  return isRoot() ? SYSTEM_SOCKET : join(userSocketFolder(), `${hostName}.sock`)
}

/** The administrator's socket beside the control socket of the same daemon. */
export function adminSocketPath(socket: string): string {
  const name = basename(socket, '.sock')
  return join(dirname(socket), name === 'control' ? 'admin.sock' : `${name}.admin.sock`)
}

/** What is wrong with a path for a socket and what to do, or `undefined`. */
export function checkSocketPath(path: string): string | undefined {
  if (path === '') return 'the path of the socket is empty (give one, or leave the option out)'
  if (path.includes('\0')) return 'the path of the socket contains a NUL (write it without)'
  const bytes = Buffer.byteLength(path)
  if (bytes <= SOCKET_PATH_BYTES_MAX) return undefined
  return (
    `the path of the socket has ${bytes} bytes, a Unix socket at most ${SOCKET_PATH_BYTES_MAX}: ` +
    `${path} (choose a shorter one)`
  )
}

/** The daemon's socket as a client finds it, or why it does not. */
export type FoundSocket = { readonly path: string } | { readonly problem: string }

/**
 * Where a client that was told no path (`undefined`: neither `--socket` nor the library's option)
 * finds the daemon: `$LAMPORT_SOCKET`; for users who are not root the one socket of a daemon of
 * their own; else the system's.
 */
export function findSocketPath(given: string | undefined): FoundSocket {
  const path = given ?? process.env.LAMPORT_SOCKET
  if (given !== undefined || (path !== undefined && path !== '')) return checked(path ?? '')
  if (isRoot()) return { path: SYSTEM_SOCKET }
  const own = userSockets()
  if (own.length > 1) {
    return { problem: `several lamportd run here (choose one with --socket: ${own.join(', ')})` }
  }
  return checked(own[0] ?? SYSTEM_SOCKET)
}

function checked(path: string): FoundSocket {
  const problem = checkSocketPath(path)
  // Absolute: it is handed on to commands that may run in another folder.
  return problem === undefined ? { path: checkedAbsolute(path) } : { problem }
}

/** A relative path may be short enough where the absolute one is not: then it stays relative. */
function checkedAbsolute(path: string): string {
  const absolute = resolve(path)
  return checkSocketPath(absolute) === undefined ? absolute : path
}

function userSockets(): readonly string[] {
  const folder = userSocketFolder()
  try {
    return readdirSync(folder)
      .filter(name => name.endsWith('.sock') && !/(^|\.)admin\.sock$/.test(name))
      .sort()
      .map(name => join(folder, name))
  } catch {
    return []
  }
}

function userSocketFolder(): string {
  return join(process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.() ?? 0}`, 'lamportd')
}

/** systemd gives a list with colons where a unit has several folders; ours is the first. */
function firstOf(folders: string | undefined): string | undefined {
  const first = folders?.split(':')[0]
  return first === '' ? undefined : first
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
