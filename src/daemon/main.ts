import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { adminSocketPath, defaultSocketPath, defaultStatePath } from '../control/paths.ts'
import { Supervisor } from '../control/supervisor.ts'
import type { HostLine, HostsFile } from './config.ts'
import { formatMistake, parseHosts } from './config.ts'
import { Daemon } from './daemon.ts'
import { keyFileOf } from './doctor/files.ts'
import { keepCollectionsShort } from './heap.ts'
import { chooseHost, hostsBeyondLoopback, thisMachine } from './identity.ts'
import { readKeys } from './key.ts'
import { lockSocketPath, lockState } from './locks.ts'
import { createLog, stderrIsJournal } from './log.ts'
import { majorityWarnings } from './majority.ts'
import type { Options } from './options.ts'
import { readOptions } from './options.ts'
import { ExitCode, reasonOf, Refusal } from './refusal.ts'
import { Store } from './store.ts'
import { isCommitError } from './store-database.ts'

/** Of a file that is wrong from top to bottom, enough to see it. */
const MISTAKES_SHOWN_MAX = 100

/** How long the end takes beside the lease that holders have to stop. */
const LEAVE_MS_MAX = 5000

const log = createLog(line => process.stderr.write(line), stderrIsJournal())

// Whoever read the log has gone: that is no reason to stop.
process.stderr.on('error', () => undefined)
process.on('uncaughtException', error => {
  log.error(`stopped by an error of its own (please report it): ${error.stack ?? error.message}`)
  process.exit(ExitCode.internal)
})

// Where a commit fails, LMDB rejects promises that nobody was given as well: the store has said why.
process.on('unhandledRejection', error => {
  if (isCommitError(error)) return
  throw error
})

keepCollectionsShort()

main().catch((error: unknown) => {
  if (!(error instanceof Refusal)) throw error
  refuse(error)
})

async function main(): Promise<void> {
  const options = await readOptions(process.argv.slice(2), process.env)
  if (options.doctor) {
    const { examineOffline } = await import('./doctor/offline.ts')
    process.stdout.write(`${JSON.stringify(await examineOffline(options))}\n`)
    return
  }
  const { file, bytes } = readHosts(options.hosts)
  if (options.check) {
    report(options, file)
    return
  }
  const self = chooseHost(file, options.id, thisMachine())
  if ('problem' in self) {
    throw new Refusal(ExitCode.configuration, `${options.hosts}: ${self.problem}`)
  }
  const keyFile = keyFileOf(options.hosts, file, options.key)
  const keys = keyFile === undefined ? undefined : readKeys(keyFile)
  if (keys === undefined) guard(options, file)
  const socket = options.socket ?? defaultSocketPath(self.name)
  const state = options.state ?? defaultStatePath(self.name)
  const who = `lamportd (process ${process.pid}, host ${self.name} of ${file.cluster})`
  await lockState(state, who)
  await lockSocketPath(socket, who)
  await lockSocketPath(adminSocketPath(socket), who)
  const { insecure } = options
  const hosts = { path: resolve(options.hosts), bytes }
  await run(file, self, { hosts, socket, state, keyFile, keys, insecure })
}

async function run(
  file: HostsFile,
  self: HostLine,
  options: {
    readonly hosts: { readonly path: string; readonly bytes: Uint8Array }
    readonly socket: string
    readonly state: string
    readonly keyFile: string | undefined
    readonly keys: readonly Uint8Array[] | undefined
    readonly insecure: boolean
  },
): Promise<void> {
  let isLeaving = false
  const supervisor = new Supervisor(reason => {
    log.warning(`systemd is not told: ${reason} (install systemd-notify)`)
  })
  const tellLeaving = (): void => {
    // Holders have a lease to stop, however long it is in hosts.yml.
    const microseconds = Math.ceil((file.timing.lease + LEAVE_MS_MAX) * 1000)
    supervisor.tell('STOPPING=1', 'STATUS=leaving', `EXTEND_TIMEOUT_USEC=${microseconds}`)
  }
  const owner = { cluster: file.cluster, host: self.id, name: self.name }
  const store = await Store.open(options.state, owner, reason => {
    // What was promised after the last good write has not left this host.
    log.error(`the disk failed (${options.state}: ${reason}): leaving (free space, or replace it)`)
    if (isLeaving) return
    isLeaving = true
    tellLeaving()
    void daemon.leave().finally(() => process.exit(ExitCode.io))
  })
  const { keyFile } = options
  const daemon = new Daemon({ ...options, file, self, store }, log, refuse)
  const leave = (signal: NodeJS.Signals): void => {
    // The second one: at once.
    if (isLeaving) process.exit(ExitCode.done)
    isLeaving = true
    log.info(`${signal}: leaving (a second one: at once)`)
    tellLeaving()
    void daemon.leave().then(() => process.exit(ExitCode.done))
  }
  // What is held goes on: its holders ask the next lamportd for it, which has to be there soon.
  process.on('SIGUSR2', () => {
    log.info(
      'SIGUSR2: ending, to be started again at once; locks that are held go on with the next',
    )
    void daemon.suspend().then(() => process.exit(ExitCode.done))
  })
  process.on('SIGTERM', leave)
  process.on('SIGINT', leave)
  process.on('SIGHUP', () => rereadKeys(keyFile, daemon))
  await daemon.start()
  const who = `${self.name} (${self.id}) of ${file.cluster}`
  supervisor.tell('READY=1', `STATUS=${who}, one of ${file.hosts.length}`)
}

/** SIGHUP. Whatever is wrong with the file, the daemon goes on with the keys that it has. */
function rereadKeys(keyFile: string | undefined, daemon: Daemon): void {
  if (keyFile === undefined) {
    log.info('SIGHUP: there is no key file, and nothing else is read again (restart it)')
    return
  }
  let keys: readonly Uint8Array[]
  try {
    keys = readKeys(keyFile)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    log.error(`SIGHUP: all keys stay as they were: ${error.message}`)
    return
  }
  daemon.changeKeys(keys)
}

function readHosts(path: string): { readonly file: HostsFile; readonly bytes: Uint8Array } {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const reason = `the hosts file ${path} cannot be read: ${reasonOf(error)}`
    throw new Refusal(ExitCode.configuration, `${reason} (write it, or name another with --hosts)`)
  }
  const file = parseHosts(bytes)
  if (!('mistakes' in file)) return { file, bytes }
  const { mistakes } = file
  for (const mistake of mistakes.slice(0, MISTAKES_SHOWN_MAX)) {
    process.stderr.write(`${formatMistake(path, mistake)}\n`)
  }
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`
  throw new Refusal(ExitCode.configuration, `${count} in ${path} (lamportd --check looks again)`)
}

/** `--check`: what is right, and what can still go wrong. */
function report(options: Options, file: HostsFile): void {
  const votes = file.hosts.reduce((sum, host) => sum + host.votes, 0)
  const majority = Math.floor(votes / 2) + 1
  const counts = `hosts: ${file.hosts.length}, votes: ${votes}, of which ${majority} are a majority`
  process.stdout.write(`${options.hosts}: no mistake (${counts})\n`)
  for (const text of majorityWarnings(file)) log.warning(`${options.hosts}: ${text}`)
  const isSealed = options.key !== undefined || file.key !== undefined
  const unsealed = options.insecure || isSealed ? undefined : beyondLoopback(file)
  if (unsealed !== undefined) log.warning(`${options.hosts}: ${unsealed}`)
}

/** Without a key anybody may read and write the packets: refused, or said loudly, on a network. */
function guard(options: Options, file: HostsFile): void {
  const problem = beyondLoopback(file)
  if (problem === undefined) return
  if (!options.insecure) {
    throw new Refusal(ExitCode.configuration, `${options.hosts}: ${problem}`)
  }
  log.warning('packets are not sealed: whoever can send to this port can take part (as asked)')
}

function beyondLoopback(file: HostsFile): string | undefined {
  const hosts = hostsBeyondLoopback(file).map(({ name }) => name)
  if (hosts.length === 0) return undefined
  const reason = `not on loopback: ${hosts.join(', ')}; and there is no key to seal packets with`
  return `${reason}: whoever is on the network could take part (make one: lamportctl keygen; LAMPORT_INSECURE=1 starts without)`
}

function refuse(refusal: Refusal): never {
  log.error(refusal.message)
  process.exit(refusal.exitCode)
}
