import { connect, type Client } from '../../client/client.ts'
import type { LockEntry } from '../../control/protocol.ts'
import { counted } from '../output.ts'

/** A word that may stand there, and what it is about. */
export type Candidate = readonly [word: string, about: string]

/** Whose names are asked for. */
export type Asked = 'lock' | 'once' | 'held' | 'variable' | 'prefix'

/** Whoever pressed a key does not wait longer, and then there are no names. */
const PATIENCE_MS = 1000

/** Where `once` keeps what has run. */
const ONCE = 'once/'

/** Names that lamportd knows and that begin so; none where it cannot be asked. */
export async function namesOf(
  asked: Asked,
  begun: string,
  { socket, isForced }: { readonly socket: string | undefined; readonly isForced: boolean },
): Promise<readonly Candidate[]> {
  const late = AbortSignal.timeout(PATIENCE_MS)
  const gaveUp = new Promise<undefined>(resolve => {
    late.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  let client: Client | undefined
  const ask = async (): Promise<readonly Candidate[]> => {
    client = await connect({ socket, signal: late })
    return candidates(client, asked, begun, isForced)
  }
  const found = await Promise.race([ask().catch(() => undefined), gaveUp])
  void client?.close()
  return found ?? []
}

async function candidates(
  client: Client,
  asked: Asked,
  begun: string,
  isForced: boolean,
): Promise<readonly Candidate[]> {
  switch (asked) {
    case 'lock':
      return (await client.locks()).map(lockCandidate)
    case 'held': {
      // What this host's lamportd keeps for nobody's connection; or, by force, anything.
      const isMeant = ({ holders }: LockEntry): boolean =>
        holders.some(({ ttlMs }) => isForced || ttlMs !== undefined)
      return (await client.locks()).filter(isMeant).map(lockCandidate)
    }
    case 'once': {
      const done = await variables(client, ONCE + begun)
      return done.map(([name, about]) => [name.slice(ONCE.length), about])
    }
    case 'variable':
      return variables(client, begun)
    case 'prefix': {
      const names = await variables(client, begun)
      return [...prefixesOf(names), ...names]
    }
    default:
      return asked satisfies never
  }
}

function lockCandidate({ name, holders, waiters }: LockEntry): Candidate {
  const [holder] = holders
  const held = holder === undefined ? 'free' : `held by ${holder.host}`
  return [name, waiters.length === 0 ? held : `${held}, ${waiters.length} waiting`]
}

async function variables(client: Client, prefix: string): Promise<Candidate[]> {
  const list: Candidate[] = []
  for await (const { name, version, size } of client.vars(prefix)) {
    list.push([name, `version ${version}, ${size} B`])
  }
  return list
}

/** `fan/` for `fan/speed`: what `watch` and `vars` take for all below. */
function prefixesOf(names: readonly Candidate[]): Candidate[] {
  const counts = new Map<string, number>()
  for (const [name] of names) {
    for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
      const prefix = name.slice(0, at + 1)
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1)
    }
  }
  return [...counts].map(([prefix, count]) => [prefix, counted(count)])
}
