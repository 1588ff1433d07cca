import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** As much of Node as lamportd cannot do without, and nothing more. */
const BARE = `for (const name of ['dgram', 'net', 'crypto']) require('node:' + name)
setInterval(() => {}, 1000)
process.stdout.write('ready')`

/** Of a Node that has loaded that, after a while. */
export async function memoryOfBareNode(settleMs: number): Promise<number> {
  const bare = spawn(process.execPath, ['-e', BARE], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(bare.stdout, 'data')
  await delay(settleMs)
  const memory = memoryOf(bare.pid ?? 0)
  bare.kill()
  await once(bare, 'exit')
  return memory
}

/** Resident, in bytes. */
export function memoryOf(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) * 1024
}
