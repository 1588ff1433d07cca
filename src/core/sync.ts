import type { Ghost, LockRequest } from './message.ts'

/** One SYNC carries no more than this, so that it never holds up a heartbeat for long. */
const PART_BYTES_MAX = 64 * 1024

/** What a SYNC says, in parts of bounded size; the last one, which may be empty, is marked. */
export type SyncPart = {
  readonly requests: readonly Omit<LockRequest, 'host'>[]
  readonly ghosts: readonly Ghost[]
  readonly last: boolean
}

/** Splits all that a SYNC has to say into its parts. */
export function syncParts(
  requests: readonly LockRequest[],
  ghosts: readonly Ghost[],
): readonly SyncPart[] {
  const parts: { requests: Omit<LockRequest, 'host'>[]; ghosts: Ghost[] }[] = []
  let bytes = Infinity
  const partFor = (
    request: LockRequest,
  ): { requests: Omit<LockRequest, 'host'>[]; ghosts: Ghost[] } => {
    bytes += bytesOf(request)
    let part = parts.at(-1)
    if (part === undefined || bytes > PART_BYTES_MAX) {
      part = { requests: [], ghosts: [] }
      parts.push(part)
      bytes = bytesOf(request)
    }
    return part
  }
  for (const request of requests) {
    const { time, names, limit, info, span, used } = request
    partFor(request).requests.push({ time, names, limit, info, span, used })
  }
  for (const ghost of ghosts) partFor(ghost).ghosts.push(ghost)
  if (parts.length === 0) parts.push({ requests: [], ghosts: [] })
  return parts.map((part, i) => ({ ...part, last: i === parts.length - 1 }))
}

/** At most: a UTF-16 unit takes up to three bytes of UTF-8. */
function bytesOf({ names, info }: LockRequest): number {
  return names.reduce((sum, name) => sum + 3 * name.length + 3, 3 * info.length + 48)
}
