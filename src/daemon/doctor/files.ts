import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { DoctorFinding } from '../../control/protocol.ts'
import type { HostsFile } from '../config.ts'
import { formatMistake, parseHosts } from '../config.ts'
import { createCrypto } from '../crypto.ts'
import { hostsBeyondLoopback } from '../identity.ts'
import { readKeys } from '../key.ts'
import { majorityWarnings } from '../majority.ts'
import { NoiseSeal } from '../../transport/noise-seal.ts'
import { reasonOf, Refusal } from '../refusal.ts'
import { failure, fine, fromText, warning } from './finding.ts'

/** Of a file that is wrong from top to bottom, enough to begin with. */
const MISTAKES_SHOWN_MAX = 5

/** What hosts.yml says, and what is wrong with it. */
export function checkHosts(path: string): {
  readonly file: HostsFile | undefined
  readonly bytes: Uint8Array
  readonly findings: readonly DoctorFinding[]
} {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const text = `${path} cannot be read: ${reasonOf(error)}`
    const advice = 'write it, or name another with --hosts'
    const findings = [failure('config', text, advice)]
    return { file: undefined, bytes: new Uint8Array(), findings }
  }
  const file = parseHosts(bytes)
  if ('mistakes' in file) {
    const shown = file.mistakes.slice(0, MISTAKES_SHOWN_MAX)
    const findings = shown.map(mistake =>
      fromText('config', 'failure', formatMistake(path, mistake)),
    )
    return { file: undefined, bytes, findings }
  }
  const votes = file.hosts.reduce((sum, host) => sum + host.votes, 0)
  const majority = Math.floor(votes / 2) + 1
  const counts = `${file.hosts.length} hosts, ${votes} votes, of which ${majority} are a majority`
  const warnings = majorityWarnings(file).map(text => fromText('votes', 'warning', text))
  const findings = [fine('config', `no mistake in ${path}: ${counts}`), ...warnings]
  return { file, bytes, findings }
}

/** What packets are sealed with, or would be. */
export function checkKey(
  file: HostsFile,
  keyFile: string | undefined,
  isInsecure: boolean,
  running?: readonly string[],
): DoctorFinding {
  if (keyFile === undefined) {
    if (hostsBeyondLoopback(file).length === 0) {
      return fine('key', 'no key is needed: every address is loopback')
    }
    const advice = 'lamportctl keygen makes one: copy it to all hosts, and name it with key:'
    const text = 'there is no key: whoever is on the network could take part'
    return isInsecure ? warning('key', text, advice) : failure('key', text, advice)
  }
  let keys: readonly Uint8Array[]
  try {
    keys = readKeys(keyFile)
  } catch (error) {
    if (error instanceof Refusal) return fromText('key', 'failure', error.message)
    throw error
  }
  const { names } = new NoiseSeal(createCrypto(), file.cluster, keys)
  for (const key of keys) key.fill(0)
  if (running !== undefined && names.join() !== running.join()) {
    const text = `${keyFile} has other keys (${names.join(', ')}) than lamportd uses (${running.join(', ')})`
    return warning('key', text, 'let lamportd read it again: systemctl reload lamportd, or SIGHUP')
  }
  const [first, ...others] = names
  const rest = others.length === 0 ? '' : `, ${others.join(', ')} accepted as well`
  return fine('key', `packets are sealed with key ${first} of ${keyFile}${rest}`)
}

/** The key file of a hosts.yml, where no other is given. */
export function keyFileOf(
  hostsPath: string,
  file: HostsFile,
  given: string | undefined,
): string | undefined {
  return given ?? (file.key && resolve(dirname(hostsPath), file.key))
}
