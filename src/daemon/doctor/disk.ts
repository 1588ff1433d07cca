import { existsSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { DoctorFinding } from '../../control/protocol.ts'
import type { Histogram } from '../histogram.ts'
import { codeOf, reasonOf } from '../refusal.ts'
import { failure, fine, warning } from './finding.ts'

/** Less than this is soon gone. */
const FREE_BYTES_LOW = 64 * 1024 * 1024

/** A disk that often takes so long to write holds up changes of variables. */
const SLOW_SECONDS = 1
const SLOW_SHARE = 0.01

/** What is known of the disk below a state folder; a test puts something else in its place. */
export type DiskFacts = {
  /** Why nothing can be written there. */
  readonly problem: { readonly text: string; readonly advice: string } | undefined
  readonly freeBytes: number
  /** That the file system has recorded since it was made; 0 where it records none. */
  readonly errors: number
}

/** A disk that takes longer for a few bytes is no disk to rely on. */
const ANSWER_MS = 5000

/**
 * Looks, and writes a few bytes, for nothing else tells whether that works; off the loop, for a disk
 * that is asked about may be one that takes seconds, and heartbeats do not wait for it.
 */
export async function lookAtDisk(
  folder: string,
  write: (path: string) => Promise<void> = writeTo,
): Promise<DiskFacts> {
  if (!existsSync(folder)) {
    const advice = 'it is made at the first start; see --state'
    const problem = { text: `there is no folder ${folder}`, advice }
    return { problem, freeBytes: 0, errors: 0 }
  }
  const { bavail, bsize } = statfsSync(folder)
  const freeBytes = bavail * bsize
  const errors = recordedErrors(folder)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(() => resolve('late'), ANSWER_MS)
  })
  try {
    if ((await Promise.race([write(join(folder, 'doctor')), late])) === 'late') {
      const text = `${folder} takes more than ${ANSWER_MS / 1000} s to write a few bytes`
      const advice = 'what else writes there? see dmesg; a better card, or an SSD, helps'
      return { problem: { text, advice }, freeBytes, errors }
    }
  } catch (error) {
    const text = `${folder} cannot be written: ${reasonOf(error)}`
    return { problem: { text, advice: adviceFor(codeOf(error)) }, freeBytes, errors }
  } finally {
    clearTimeout(timer)
  }
  return { problem: undefined, freeBytes, errors }
}

async function writeTo(path: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.write('written by lamportctl doctor, to see whether it can be\n')
    await file.sync()
  } finally {
    await file.close()
    await rm(path)
  }
}

export function checkDisk(
  folder: string,
  { problem, freeBytes, errors }: DiskFacts,
  commits?: Histogram,
): DoctorFinding {
  if (problem !== undefined) return failure('disk', problem.text, problem.advice)
  const free = `${Math.floor(freeBytes / 1024 ** 2)} MiB`
  if (errors > 0) {
    const text = `the file system of ${folder} has recorded ${errors} errors`
    const advice = 'the card or disk is dying: copy what you need, check it with fsck, replace it'
    return warning('disk', text, advice)
  }
  if (freeBytes < FREE_BYTES_LOW) {
    const advice = 'free some: when it is full, lamportd leaves'
    return warning('disk', `${free} are free in ${folder}`, advice)
  }
  if (commits === undefined) return fine('disk', `${folder} can be written, ${free} are free`)
  const all = commits.counts.reduce((sum, count) => sum + count, 0)
  const slow = commits.counts
    .filter((_, bucket) => (commits.bounds[bucket] ?? Infinity) > SLOW_SECONDS)
    .reduce((sum, count) => sum + count, 0)
  if (slow > all * SLOW_SHARE) {
    const text = `${slow} of ${all} writes took longer than ${SLOW_SECONDS} s`
    return warning('disk', text, 'what else writes there? a better card, or an SSD, helps')
  }
  return fine('disk', `${folder} can be written, ${free} are free; ${all} writes since the start`)
}

function adviceFor(code: string | undefined): string {
  switch (code) {
    case 'ENOSPC':
      return 'free some space (journalctl --vacuum-size=50M; apt clean), then start lamportd'
    case 'EROFS':
      return 'an SD card that fails becomes read-only: see dmesg, replace it'
    case 'EACCES':
    case 'EPERM':
      return 'it must belong to the user of lamportd; or ask as that user, or root'
    default:
      return 'see dmesg'
  }
}

/** What ext4 counts, which survives a restart. */
function recordedErrors(folder: string): number {
  try {
    const { dev } = statSync(folder)
    // As makedev(3) puts them together.
    const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)]
    const device = basename(readlinkSync(`/sys/dev/block/${major}:${minor}`))
    return Number(readFileSync(`/sys/fs/ext4/${device}/errors_count`, 'utf8'))
  } catch {
    return 0
  }
}
