/** Exit codes of lamportd, from sysexits.h. */
export const ExitCode = {
  done: 0,
  usage: 64,
  internal: 70,
  /** A socket, folder or address that is in use or cannot be made. */
  cannotCreate: 73,
  /** The disk failed while running. */
  io: 74,
  configuration: 78,
} as const

/** Why lamportd does not start, for people, and the code it ends with. */
export class Refusal extends Error {
  readonly exitCode: number

  /** @param lines each "what is wrong (what to do)" */
  constructor(exitCode: number, lines: string | readonly string[]) {
    super(typeof lines === 'string' ? lines : lines.join('\n'))
    this.exitCode = exitCode
  }
}

/** What the system said, in words; its code where there are none. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error)
  if (code === undefined) return error instanceof Error ? error.message : String(error)
  return WORDS[code] ?? code
}

/** The system's code of an error: ENOENT and the like. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'address in use',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EAGAIN: 'the socket is full',
  EAI_AGAIN: 'no answer from the name server',
  EEXIST: 'it exists and is something else',
  EINVAL: 'the system refuses it',
  EISDIR: 'it is a folder',
  EMFILE: 'too many open files',
  EMSGSIZE: 'too large for the network',
  ENETDOWN: 'the network is down',
  ENETUNREACH: 'the network is unreachable',
  EHOSTUNREACH: 'the host is unreachable',
  ENOBUFS: 'the system has no buffer left',
  ENOENT: 'it does not exist',
  ENOSPC: 'no space left',
  ENOTDIR: 'a part of the path is not a folder',
  ENOTFOUND: 'no such name',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
}
