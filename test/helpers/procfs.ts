import { readFileSync } from 'node:fs'

/** What a process has in memory, in megabytes of 10^6 bytes. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
  return (kib * 1024) / 1e6
}

/** What a process has written: bytes that go to a disk, calls of write(2) and the like. */
export type Written = {
  readonly bytes: number
  readonly calls: number
  readonly callBytes: number
}

export function written(pid: number): Written {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1])
  return { bytes: field('write_bytes'), calls: field('syscw'), callBytes: field('wchar') }
}
