import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { ExitCode, reasonOf, Refusal } from './refusal.ts'

const KEY_BYTES = 32
const FILE_BYTES_MAX = 16 * 1024

/**
 * The keys in a key file, the first one to seal with, all of them accepted. Refused: what others
 * can read, what a group that is not the daemon's own can read, and what is not a key.
 */
export function readKeys(path: string): readonly Uint8Array[] {
  const text = readPrivate(path)
  const keys: Uint8Array[] = []
  for (const [index, written] of text.split('\n').entries()) {
    const line = written.trim()
    if (line === '' || line.startsWith('#')) continue
    const bytes = Buffer.from(line, 'base64')
    if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== line) {
      const reason = `this is not a key of ${KEY_BYTES} bytes in base64`
      throw refused(`${path}:${index + 1}:1: ${reason} (make one: lamportctl keygen > FILE)`)
    }
    keys.push(bytes)
  }
  if (keys.length === 0) throw refused(`${path}:1:1: no key in it (lamportctl keygen > ${path})`)
  return keys
}

/** Looked at and read through one descriptor: the file that was checked is the one that is read. */
function readPrivate(path: string): string {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const { mode, gid, size } = fstatSync(descriptor)
    if ((mode & 0o007) !== 0) throw refused(`${path} is open to everybody (chmod 640 ${path})`)
    if ((mode & 0o070) !== 0 && gid !== process.getgid?.()) {
      const reason = `${path} is open to a group that is not lamportd's own`
      throw refused(`${reason} (chmod 600 ${path}, or chgrp it)`)
    }
    if (size > FILE_BYTES_MAX) throw refused(`${path} is too long for keys (is it the right file?)`)
    const bytes = Buffer.alloc(FILE_BYTES_MAX)
    return bytes.toString('utf8', 0, readSync(descriptor, bytes))
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw refused(`the key file ${path} cannot be read: ${reasonOf(error)} (see key: or --key)`)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function refused(text: string): Refusal {
  return new Refusal(ExitCode.configuration, text)
}
