import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** A file that could not be read or written; the message says which, why, and what to do. */
export class FileError extends Error {
  override readonly name = 'FileError'
}

/** Owner and mode of a file that is to be written; without an owner, whoever writes it. */
export type Manner = {
  readonly mode: number
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** Of the mode what the umask leaves. */
  readonly isMasked?: boolean
}

/** A file that is complete and on the disk, but not yet in its place. */
export class Draft {
  readonly path: string
  readonly #destination: string

  /** The file is in the destination's folder, for a rename is atomic within a file system only. */
  constructor(destination: string, bytes: Uint8Array, manner: Manner) {
    this.#destination = destination
    this.path = join(dirname(destination), `.${basename(destination)}.${process.pid}.lamport`)
    wrapped(destination, 'cannot be written', () => {
      // What another of this number has left behind.
      rmSync(this.path, { force: true })
      const file = openSync(this.path, 'wx', manner.isMasked === true ? manner.mode : 0o600)
      try {
        writeFileSync(file, bytes)
        if (manner.owner !== undefined) keepOwner(file, manner.owner)
        if (manner.isMasked !== true) fchmodSync(file, manner.mode)
        fsyncSync(file)
      } catch (error) {
        this.discard()
        throw error
      } finally {
        closeSync(file)
      }
    })
  }

  /** From one moment to the next it is the destination, also across a power cut. */
  place(): void {
    wrapped(this.#destination, 'cannot be replaced', () => {
      renameSync(this.path, this.#destination)
      const folder = openSync(dirname(this.#destination), 'r')
      try {
        fsyncSync(folder)
      } finally {
        closeSync(folder)
      }
    })
  }

  discard(): void {
    rmSync(this.path, { force: true })
  }
}

/** Only root may give a file away; where nothing is to change nothing is asked. */
function keepOwner(file: number, { uid, gid }: { uid: number; gid: number }): void {
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) fchownSync(file, uid, gid)
}

/** Where a path leads: the file itself, behind symbolic links, also where it is not there yet. */
export function behindLinks(path: string): string {
  return wrapped(path, 'cannot be used', () => {
    const absolute = resolve(path)
    let followed = absolute
    // As many as the kernel follows.
    for (let links = 0; links < 40; links++) {
      const found = lstatSync(followed, { throwIfNoEntry: false })
      if (found?.isSymbolicLink() !== true) {
        return join(realpathSync(dirname(followed)), basename(followed))
      }
      followed = resolve(dirname(followed), readlinkSync(followed))
    }
    throw Object.assign(new Error('too many symbolic links'), { code: 'ELOOP' })
  })
}

/** Owner and mode of what is there; of a new file what the umask leaves of 0644. */
export function mannerOf(path: string): Manner {
  return wrapped(path, 'cannot be looked at', () => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return { mode: 0o644, isMasked: true }
    if (!found.isFile())
      throw Object.assign(new Error('no file'), { code: 'it is no regular file' })
    return { mode: found.mode & 0o7777, owner: { uid: found.uid, gid: found.gid } }
  })
}

/** Does something with a file; what goes wrong is said of it. */
export function wrapped<T>(path: string, what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new FileError(`${path} ${what}: ${reason(code)}`)
  }
}

function reason(code: string): string {
  switch (code) {
    case 'ENOENT':
      return 'it is not there (check the path)'
    case 'EACCES':
    case 'EPERM':
      return 'no permission (run as root, or as its owner)'
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full (make room)'
    case 'EROFS':
      return 'the file system is read-only (remount it, or choose another place)'
    default:
      return `${code} (check the path)`
  }
}
