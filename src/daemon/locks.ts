import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { basename, dirname, resolve } from 'node:path'
import { checkSocketPath } from '../control/paths.ts'
import { codeOf, ExitCode, reasonOf, Refusal } from './refusal.ts'

/** How long another process has to say who it is. */
const ANSWER_MS = 500

/**
 * Makes the state folder ours alone until this process ends, however it ends. Node has no flock; a
 * Unix socket in the abstract namespace vanishes with its process as well. It is named by device
 * and inode, so that every path to one folder is the same lock. (The namespace is that of the
 * network: containers that share a state folder must share it too.)
 */
export async function lockState(folder: string, who: string): Promise<Server> {
  const path = resolve(folder)
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const advice = 'give lamportd a folder that it may write to with --state'
    throw cannotCreate(`the state folder ${path} cannot be used: ${reasonOf(error)} (${advice})`)
  }
  const { dev, ino } = statSync(path)
  const holder = await lock(`state/${dev}:${ino}`, who)
  if (!(typeof holder === 'string')) return holder
  const advice = 'stop it, or give this one a folder of its own with --state'
  throw cannotCreate(`the state folder ${path} is in use by ${holder} (${advice})`)
}

/** Makes the path of the control socket ours, in a folder that others cannot meddle with. */
export async function lockSocketPath(socket: string, who: string): Promise<Server> {
  const problem = checkSocketPath(socket)
  if (problem !== undefined) throw cannotCreate(problem)
  const folder = dirname(resolve(socket))
  try {
    // The folder of a system's daemon is for a group; a user's is under one that is closed.
    mkdirSync(folder, { recursive: true, mode: 0o750 })
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    const reason = `the folder of the control socket, ${folder}, cannot be used: ${reasonOf(error)}`
    throw cannotCreate(`${reason} (choose another path with --socket)`)
  }
  const { dev, ino, mode } = statSync(folder)
  if ((mode & 0o1002) === 0o0002) {
    const reason = `everybody may replace files in ${folder}, the control socket too`
    throw cannotCreate(`${reason} (chmod o-w ${folder}, or choose another path with --socket)`)
  }
  // A digest, because a file name may be longer than what is left for it.
  const file = createHash('sha256').update(basename(socket)).digest('hex').slice(0, 32)
  const holder = await lock(`socket/${dev}:${ino}/${file}`, who)
  if (!(typeof holder === 'string')) {
    await removeStale(socket)
    return holder
  }
  throw socketInUse(socket, holder)
}

/** A socket file that nobody answers on is what a killed daemon leaves; anything else stays. */
async function removeStale(socket: string): Promise<void> {
  const found = lstatSync(socket, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    const advice = 'remove it, or choose another path with --socket'
    throw cannotCreate(`${socket} exists and is not a socket (${advice})`)
  }
  const probe = connect(socket)
  try {
    await once(probe, 'connect')
    throw socketInUse(socket, 'a program that answers there')
  } catch (error) {
    if (error instanceof Refusal) throw error
    if (codeOf(error) !== 'ECONNREFUSED') throw socketInUse(socket, reasonOf(error))
    remove(socket)
  } finally {
    probe.destroy()
  }
}

function remove(socket: string): void {
  try {
    unlinkSync(socket)
  } catch (error) {
    // In a folder like /tmp, where everybody may make files and nobody remove another's.
    const reason = `${socket} is left from before and cannot be removed: ${reasonOf(error)}`
    throw cannotCreate(`${reason} (remove it as its owner, or choose another path with --socket)`)
  }
}

/** Takes an abstract name until this process ends, or says who has it. */
async function lock(name: string, who: string): Promise<Server | string> {
  const path = `\0lamportd/${name}`
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.end(who)
  })
  server.unref()
  try {
    server.listen(path)
    await once(server, 'listening')
    return server
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
    return ask(path)
  }
}

async function ask(path: string): Promise<string> {
  const socket = connect(path)
  socket.setTimeout(ANSWER_MS, () => socket.destroy())
  socket.setEncoding('utf8')
  let answer = ''
  try {
    for await (const part of socket) answer += String(part).slice(0, 200)
  } catch {
    // Its process may be ending, or stopped: it holds the name all the same.
  }
  return answer === '' ? 'another lamportd (it does not answer)' : answer
}

function socketInUse(socket: string, holder: string): Refusal {
  const advice = 'stop it, or choose another path with --socket'
  return cannotCreate(`the control socket ${socket} is in use by ${holder} (${advice})`)
}

function cannotCreate(text: string): Refusal {
  return new Refusal(ExitCode.cannotCreate, text)
}
