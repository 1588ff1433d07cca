import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { promisify } from 'node:util'
import type { Log } from './log.ts'

/** How this machine is asked; a test puts something else in its place. */
export type Radio = {
  /** The network interface that has the address. */
  interfaceOf(ip: string): string | undefined
  isWireless(name: string): boolean
  /** What `iw dev NAME get power_save` says; it rejects where there is no iw. */
  powerSave(name: string): Promise<string>
}

const run = promisify(execFile)
const IW_MS_MAX = 2000

/** This machine's own. */
export const radio: Radio = {
  interfaceOf: ip =>
    Object.entries(networkInterfaces()).find(([, addresses]) =>
      addresses?.some(({ address }) => address === ip),
    )?.[0],
  isWireless: name => existsSync(`/sys/class/net/${name}/wireless`),
  powerSave: async name => {
    const { stdout } = await run('iw', ['dev', name, 'get', 'power_save'], { timeout: IW_MS_MAX })
    return stdout
  },
}

/**
 * A radio that sleeps between packets answers after 100 ms where it could after 5: worse than any
 * loss. Who has no iw is told nothing.
 */
export async function warnOfPowerSave(ip: string, log: Log, machine: Radio = radio): Promise<void> {
  const name = machine.interfaceOf(ip)
  if (name === undefined || !machine.isWireless(name)) return
  let answer: string
  try {
    answer = await machine.powerSave(name)
  } catch {
    return
  }
  if (!/power save: on/i.test(answer)) return
  const reason = `${name} saves power: packets wait for its radio, often for 100 ms and more`
  log.warning(`${reason} (iw dev ${name} set power_save off)`)
}
