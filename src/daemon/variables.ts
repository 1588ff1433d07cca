import { ErrorCode } from '../control/protocol.ts'
import type {
  ErrorObject,
  GetResult,
  HistoryEntry,
  HistoryResult,
  NoMajorityData,
  RequestId,
  VariableEntry,
  VarsEntry,
  VarsResult,
  VersionDiffersData,
} from '../control/protocol.ts'
import { encodeValue } from '../control/values.ts'
import type { PastVersion, Variable } from '../core/variable.ts'
import { assert } from '../lib/assert.ts'
import type { Refusal, Response, Status } from '../node.ts'
import type { Commands } from './commands.ts'
import type { HostLine } from './config.ts'
import { errorOf } from './errors.ts'
import type { Meter } from './meter.ts'
import { nameOf } from './report.ts'
import type { Session, Sessions } from './sessions.ts'
import type { VariableRequest } from './variable-requests.ts'

/** What a node knows of variables, without asking others. */
export type KnownVariables = {
  variable(name: string): Variable
  /** Those with a value, by name. */
  variables(): readonly Variable[]
  /** The newest first. */
  history(name: string): readonly PastVersion[]
  status(): Status
}

type Of<Type extends VariableRequest['type']> = Extract<VariableRequest, { type: Type }>

/** A page of `vars` ends with the entry that makes it longer than this. */
const PAGE_BYTES = 256 * 1024

/** Values of `history` before they are encoded: so they fit into a line, whatever they hold. */
const HISTORY_BYTES_MAX = 256 * 1024

/** With names of 255 bytes these fit into a line beside the values. */
const HISTORY_VERSIONS_MAX = 500

/**
 * `majority` beside a local value is hearsay, good for a fraction of the time in which a host is
 * suspected; to make a whole status for each such line would cost more than the rest of it.
 */
const MAJORITY_MS = 20

/** Shared variables on the control socket, but for watches. */
export class Variables {
  readonly #hosts: readonly HostLine[]
  readonly #node: KnownVariables
  readonly #sessions: Sessions
  readonly #commands: Commands
  readonly #meter: Meter
  #majority = false
  #majorityAt = -Infinity

  constructor(
    hosts: readonly HostLine[],
    node: KnownVariables,
    sessions: Sessions,
    commands: Commands,
    meter: Meter,
  ) {
    this.#hosts = hosts
    this.#node = node
    this.#sessions = sessions
    this.#commands = commands
    this.#meter = meter
  }

  get(session: Session, requestId: RequestId, { name, local, wait }: Of<'get'>): void {
    const { connection } = session
    if (local) {
      this.#meter.gets.local += 1
      const variable = this.#entry(this.#node.variable(name))
      const result: GetResult = { ...variable, majority: this.#hearsMajority() }
      connection.result(requestId, result)
      return
    }
    if (!this.#sessions.admits(session, requestId)) return
    session.asked += 1
    this.#commands.ask({ type: 'get', name, wait }, response => {
      session.asked -= 1
      this.#meter.got(response)
      if (response.type === 'refused') {
        connection.error(requestId, refusal(response.reason, response.detail))
        return
      }
      assert(response.type === 'value', 'a get is answered with a value, or refused')
      const result: GetResult = this.#entry(response.variable)
      connection.result(requestId, result)
    })
  }

  /** What is under way goes on where its connection closes: it may have been taken by others. */
  change(session: Session, requestId: RequestId, request: Of<'set' | 'unset'>): void {
    if (!this.#sessions.admits(session, requestId)) return
    const { name, bytes, condition, wait } = request
    session.asked += 1
    const askedAt = performance.now()
    this.#commands.ask({ type: 'change', name, bytes, condition, wait }, response => {
      session.asked -= 1
      this.#meter.changed(response, askedAt)
      if (response.type === 'changed') {
        session.connection.result(requestId, this.#entry(response.variable))
      } else session.connection.error(requestId, this.#unchanged(response))
    })
  }

  vars(session: Session, requestId: RequestId, { prefix, values, after }: Of<'vars'>): void {
    const all = this.#node.variables()
    const variables: VarsEntry[] = []
    const isBefore = (name: string): boolean =>
      name < prefix || (after !== undefined && name <= after)
    let index = firstAfter(all, isBefore)
    for (let bytes = 0; bytes <= PAGE_BYTES; index += 1) {
      const variable = all[index]
      if (variable?.name.startsWith(prefix) !== true) break
      const entry = this.#varsEntry(variable, values)
      variables.push(entry)
      bytes += Buffer.byteLength(JSON.stringify(entry))
    }
    const isLast = all[index]?.name.startsWith(prefix) !== true
    const next = isLast ? null : (variables.at(-1)?.name ?? null)
    const result: VarsResult = { variables, next }
    session.connection.result(requestId, result)
  }

  history(session: Session, requestId: RequestId, { name }: Of<'history'>): void {
    let bytes = 0
    const versions = this.#node.history(name).slice(0, HISTORY_VERSIONS_MAX)
    const result: HistoryResult = versions.map(past => {
      bytes += past.bytes?.length ?? 0
      return this.#historyEntry(name, past, bytes <= HISTORY_BYTES_MAX)
    })
    session.connection.result(requestId, result)
  }

  #entry(variable: Variable): VariableEntry {
    return variableEntry(this.#hosts, variable)
  }

  #varsEntry(variable: Variable, values: boolean): VarsEntry {
    const size = variable.bytes?.length ?? 0
    if (values) return { ...this.#entry(variable), size }
    const { name, version } = variable
    return { name, version, writer: writerOf(this.#hosts, variable.writer), size }
  }

  #historyEntry(name: string, past: PastVersion, withValue: boolean): HistoryEntry {
    const { version, size, bytes } = past
    return {
      name,
      ...(withValue && bytes !== undefined ? { value: encodeValue(bytes) } : {}),
      ...(size === undefined ? { deleted: true } : { size }),
      version,
      writer: writerOf(this.#hosts, past.writer),
    }
  }

  #unchanged(response: Response): ErrorObject {
    switch (response.type) {
      case 'differs': {
        const current = this.#entry(response.current)
        const { code, data }: { code: number; data: VersionDiffersData } = {
          code: ErrorCode.versionDiffers,
          data: { current },
        }
        return { code, message: describe(response.current), data }
      }
      case 'uncertain': {
        const data: NoMajorityData = { effect: 'unknown', seen: this.#entry(response.seen) }
        const message = `the change may still take effect: ${response.detail}`
        const advice = '(look at the variable again before the change is repeated)'
        return { code: ErrorCode.noMajority, message: `${message} ${advice}`, data }
      }
      case 'refused':
        return refusal(response.reason, response.detail)
      default:
        assert(false, 'a change is done, refused, or uncertain')
    }
  }

  #hearsMajority(): boolean {
    const now = performance.now()
    if (now - this.#majorityAt >= MAJORITY_MS) {
      this.#majorityAt = now
      this.#majority = this.#node.status().majority
    }
    return this.#majority
  }
}

/** A variable as clients are told of it. */
export function variableEntry(hosts: readonly HostLine[], variable: Variable): VariableEntry {
  const { name, bytes, version } = variable
  const writer = writerOf(hosts, variable.writer)
  if (bytes === undefined) return { name, deleted: true, version, writer }
  return { name, value: encodeValue(bytes), version, writer }
}

/** Where the variables begin that are not before, in a list by name. */
export function firstAfter(
  variables: readonly Variable[],
  isBefore: (name: string) => boolean,
): number {
  let [low, high] = [0, variables.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const variable = variables[middle]
    if (variable !== undefined && isBefore(variable.name)) low = middle + 1
    else high = middle
  }
  return low
}

function writerOf(hosts: readonly HostLine[], writer: Variable['writer']): VariableEntry['writer'] {
  return writer === undefined ? null : { host: nameOf(hosts, writer.host), time: writer.time }
}

function describe({ name, version, bytes }: Variable): string {
  const advice = '(read it again, and decide anew)'
  if (version === 0) return `${name} was never set ${advice}`
  const what = bytes === undefined ? 'is not set, and its version is' : 'has the version'
  return `${name} ${what} ${version} ${advice}`
}

function refusal(reason: Refusal, detail: string): ErrorObject {
  if (reason !== 'limit') return errorOf(reason, detail)
  const message = 'there is no room for more variables (unset some, or write less)'
  return {
    code: ErrorCode.limit,
    message: detail === '' ? message : `${message}: ${detail}`,
  }
}
