import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { PATH } from './base.ts'

/** A program of this machine that has to succeed. */
export function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { PATH } })
  if (status === 0) return stdout
  throw new Error(`${program} ${args.join(' ')}: exit ${status}: ${stderr}`)
}

/** Asks again until it is so; throws, and says what it waited for, when the time is over. */
export async function waitFor(
  what: string,
  timeoutMs: number,
  isSo: () => Promise<boolean> | boolean,
): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs / 1000} s for ${what}`)
    await delay(100)
  }
}
