import type { TraceParams, TraceResult } from '../control/protocol.ts'
import { TRACE_VERSION, type TraceEntry } from '../control/trace.ts'
import { Connection } from './connection.ts'
import { LamportError } from './error.ts'
import { arrayOf, isNumber, isObject, isString, objectOf, type Shape } from './shape.ts'

/** How long the daemon may take to begin. */
const ANSWER_MS = 10_000

export type TraceOptions = TraceParams & {
  /** Ends it. */
  readonly signal?: AbortSignal | undefined
}

/** Who hears of a trace. */
export type TraceOutput = {
  /** First: whose it is. */
  begin(result: TraceResult): void
  event(entry: TraceEntry): void
}

/**
 * What happened in the host of this socket, and what happens there with `follow`. Resolves when all
 * has been told or `signal` has ended it; rejects when lamportd stops.
 */
export async function readTrace(
  path: string,
  { signal, ...params }: TraceOptions,
  output: TraceOutput,
): Promise<void> {
  let settle: (error: LamportError | undefined) => void = () => undefined
  const over = new Promise<LamportError | undefined>(resolve => (settle = resolve))
  const notified = (method: string, entry: unknown): void => {
    if (method === 'traced') settle(undefined)
    else if (method === 'event' && isEntry(entry)) output.event(entry)
  }
  const connection = await Connection.open(path, { notified, ended: settle }, signal)
  const end = (): void => settle(undefined)
  signal?.addEventListener('abort', end)
  try {
    const take = (result: unknown): TraceResult | undefined => {
      if (!isTraceResult(result)) return undefined
      if (result.version === TRACE_VERSION) output.begin(result)
      return result
    }
    const { answer } = connection.request('trace', params, { take, timeoutMs: ANSWER_MS })
    // Who gives up does not wait for a daemon that is stopped.
    const first = await Promise.race([answer, over.then(thrown)])
    if (first === undefined) return
    if (first.version !== TRACE_VERSION) throw newer(path, first.version)
    thrown(await over)
  } finally {
    signal?.removeEventListener('abort', end)
    await connection.close()
  }
}

function thrown(error: LamportError | undefined): undefined {
  if (error !== undefined) throw error
  return undefined
}

function newer(path: string, version: number): LamportError {
  const versions = `traces of version ${version}, this program reads ${TRACE_VERSION}`
  const message = `lamportd at ${path} writes ${versions} (install the same version of both)`
  return new LamportError('protocol', message)
}

const isTraceResult: Shape<TraceResult> = objectOf<TraceResult>({
  version: isNumber,
  cluster: isString,
  hosts: arrayOf(objectOf<TraceResult['hosts'][number]>({ id: isNumber, name: isString })),
  host: isNumber,
  events: isNumber,
})

/** The daemon that wrote it has the version of this program. */
function isEntry(value: unknown): value is TraceEntry {
  return isObject(value) && isString(value.type) && isNumber(value.host) && isNumber(value.n)
}
