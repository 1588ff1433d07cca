import { decode, encode } from '../lib/cbor.ts'
import type { HostId } from './clock.ts'
import { decodeAcceptor, encodeAcceptor, parseTable, tableFields } from './codec.ts'
import type { StoreEntry } from './command.ts'
import type { ReadyRecord } from './founding.ts'
import { compareBallots, NO_BALLOT, type AcceptorRecord, type Ballot } from './register.ts'
import type { VariableRecord } from './registers.ts'
import type { SafetyTable } from './table.ts'
import {
  decodeBallot,
  decodeChosen,
  decodeRecord,
  encodeBallot,
  encodeChosen,
  encodeRecord,
  type Keep,
} from './variable-codec.ts'
import { isSameVersion, type VariableValue, type VersionName } from './variable.ts'
import type { View } from './view.ts'

/** What a host finds when it starts again: everything that it had made durable. */
export type Durable = {
  /** The highest incarnation this host has had. */
  readonly incarnation: number
  /** No time was used that is not below it. */
  readonly clockCeiling: number
  readonly acceptor: AcceptorRecord<View> | undefined
  /** `undefined`: a blank host. */
  readonly ready: ReadyRecord | undefined
  /** The only table by which this host may vote, where that is not the one of `ready`. */
  readonly pledged: SafetyTable | undefined
  /** Names the disk of a blank host, so that one which restarts is still the one that was met; or 0. */
  readonly life: number
  /** The acceptors of variables. */
  readonly registers: ReadonlyMap<string, VariableRecord>
  /** The newest values that are known to have been chosen. */
  readonly chosen: ReadonlyMap<string, VariableValue>
  /** Below it no register of a variable takes a ballot. */
  readonly floor: number
}

/** The store of a host that was never started. */
export const NOTHING_DURABLE: Durable = {
  incarnation: 0,
  clockCeiling: 0,
  acceptor: undefined,
  ready: undefined,
  pledged: undefined,
  life: 0,
  registers: new Map(),
  chosen: new Map(),
  floor: 0,
}

const KEY = {
  incarnation: 'incarnation',
  ceiling: 'ceiling',
  view: 'view',
  ready: 'ready',
  pledged: 'table',
  life: 'life',
  floor: 'floor',
}

/** Records of a variable: what was promised since, what was accepted, what was chosen. */
const PREFIX = { promised: 'p:', accepted: 'v:', chosen: 'c:' }
const PREFIX_LENGTH = 2

export function incarnationEntry(incarnation: number): StoreEntry {
  return { key: KEY.incarnation, value: encode(incarnation) }
}

export function ceilingEntry(ceiling: number): StoreEntry {
  return { key: KEY.ceiling, value: encode(ceiling) }
}

export function acceptorEntry(record: AcceptorRecord<View>): StoreEntry {
  return { key: KEY.view, value: encodeAcceptor(record) }
}

export function readyEntry({ founders, newcomers, table }: ReadyRecord): StoreEntry {
  const value = encode([[...founders], [...newcomers], tableFields(table)])
  return { key: KEY.ready, value }
}

export function pledgeEntry(table: SafetyTable): StoreEntry {
  return { key: KEY.pledged, value: encode(tableFields(table)) }
}

export function lifeEntry(life: number): StoreEntry {
  return { key: KEY.life, value: encode(life) }
}

export function floorEntry(counter: number): StoreEntry {
  return { key: KEY.floor, value: encode(counter) }
}

export function promisedEntry(name: string, ballot: Ballot): StoreEntry {
  return { key: PREFIX.promised + name, value: encodeBallot(ballot) }
}

/** A record that is no longer is written whole: one that is read at the start less. */
const WHOLE_BYTES_MAX = 1024

/** What was promised since a record was accepted: by itself, where the value would cost too much. */
export function promiseEntry(name: string, record: VariableRecord): StoreEntry {
  const isShort = (record.value?.bytes?.length ?? 0) <= WHOLE_BYTES_MAX
  return isShort ? acceptedEntry(name, record) : promisedEntry(name, record.promised)
}

export function acceptedEntry(name: string, record: VariableRecord): StoreEntry {
  return { key: PREFIX.accepted + name, value: encodeRecord(record) }
}

/** The version alone where the acceptor's record has the value. */
export function chosenEntry(name: string, chosen: VariableValue | VersionName): StoreEntry {
  return { key: PREFIX.chosen + name, value: encodeChosen(chosen) }
}

/** Reads the records of a store, or says which one is damaged. */
export function recover(
  records: ReadonlyMap<string, Uint8Array>,
): Durable | { readonly damaged: string } {
  // Nobody changes what is in memory already.
  const reader = new RecordReader(bytes => bytes)
  for (const [key, bytes] of records) reader.add(key, bytes)
  return reader.finish()
}

/**
 * Takes in the records of a store one after the other; of two with the same key the later one counts.
 * Nothing but what is in them is kept, for there are thousands.
 */
export class RecordReader {
  readonly #keep: Keep
  readonly #registers = new Map<string, VariableRecord>()
  readonly #promises = new Map<string, Ballot>()
  /** The version alone where the register has the value, until all has been read. */
  readonly #chosen = new Map<string, VariableValue | VersionName>()
  readonly #others = new Map<string, Uint8Array>()
  #damaged: string | undefined

  /** @param keep copies what is to be kept of the bytes of a record, where they are used again */
  constructor(keep: Keep) {
    this.#keep = keep
  }

  add(key: string, bytes: Uint8Array): void {
    const isRead = this.#read(key, bytes)
    if (!isRead) this.#damaged ??= key
  }

  /** What was found, or the key of a record that is damaged. */
  finish(): Durable | { readonly damaged: string } {
    if (this.#damaged !== undefined) return { damaged: this.#damaged }
    const others = this.#others
    const number = (key: string): number | undefined => {
      const bytes = others.get(key)
      if (bytes === undefined) return 0
      const value = decode(bytes)
      return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
    }
    const incarnation = number(KEY.incarnation)
    if (incarnation === undefined) return { damaged: KEY.incarnation }
    const clockCeiling = number(KEY.ceiling)
    if (clockCeiling === undefined) return { damaged: KEY.ceiling }
    const acceptorBytes = others.get(KEY.view)
    const acceptor = acceptorBytes === undefined ? undefined : decodeAcceptor(acceptorBytes)
    if (acceptor !== undefined && 'malformed' in acceptor) return { damaged: KEY.view }
    const readyBytes = others.get(KEY.ready)
    const ready = readyBytes === undefined ? undefined : parseReady(decode(readyBytes))
    if (readyBytes !== undefined && ready === undefined) return { damaged: KEY.ready }
    const pledgedBytes = others.get(KEY.pledged)
    const pledged = pledgedBytes === undefined ? undefined : parseTable(decode(pledgedBytes))
    if (pledgedBytes !== undefined && pledged === undefined) return { damaged: KEY.pledged }
    const life = number(KEY.life)
    if (life === undefined) return { damaged: KEY.life }
    const floor = number(KEY.floor)
    if (floor === undefined) return { damaged: KEY.floor }
    const variables = this.#variables()
    if ('damaged' in variables) return variables
    return { incarnation, clockCeiling, acceptor, ready, pledged, life, floor, ...variables }
  }

  #read(key: string, bytes: Uint8Array): boolean {
    const name = key.slice(PREFIX_LENGTH)
    if (key.startsWith(PREFIX.accepted)) {
      return isSet(this.#registers, name, decodeRecord(bytes, this.#keep))
    }
    if (key.startsWith(PREFIX.chosen)) {
      return isSet(this.#chosen, name, decodeChosen(bytes, this.#keep))
    }
    if (key.startsWith(PREFIX.promised)) return isSet(this.#promises, name, decodeBallot(bytes))
    this.#others.set(key, this.#keep(bytes))
    return true
  }

  #variables(): Pick<Durable, 'registers' | 'chosen'> | { readonly damaged: string } {
    const registers = this.#registers
    for (const [name, promised] of this.#promises) {
      const record = registers.get(name) ?? { promised, accepted: NO_BALLOT, value: undefined }
      const isNewer = compareBallots(promised, record.promised) > 0
      registers.set(name, isNewer ? { ...record, promised } : record)
    }
    const chosen = this.#chosen
    for (const [name, version] of chosen) {
      if (isWhole(version)) continue
      const value = registers.get(name)?.value
      // The version alone is written only where the value stands beside it.
      if (value === undefined || !isSameVersion(value, version))
        return { damaged: PREFIX.chosen + name }
      chosen.set(name, value)
    }
    return { registers, chosen: chosen as Map<string, VariableValue> }
  }
}

function isWhole(chosen: VariableValue | VersionName): chosen is VariableValue {
  return 'applied' in chosen
}

function isSet<T>(map: Map<string, T>, name: string, value: T | undefined): boolean {
  if (value !== undefined) map.set(name, value)
  return value !== undefined
}

function parseReady(value: unknown): ReadyRecord | undefined {
  if (!Array.isArray(value)) return undefined
  const [first, second, fields] = value as unknown[]
  const [founders, newcomers] = [parseLives(first), parseLives(second)]
  const table = parseTable(fields)
  if (founders === undefined || newcomers === undefined || table === undefined) return undefined
  return { founders, newcomers, table }
}

function parseLives(value: unknown): Map<HostId, number> | undefined {
  if (!Array.isArray(value)) return undefined
  const lives = new Map<HostId, number>()
  for (const pair of value as unknown[]) {
    if (!Array.isArray(pair)) return undefined
    const [host, life] = pair as unknown[]
    if (!Number.isSafeInteger(host) || !Number.isSafeInteger(life)) return undefined
    lives.set(host as number, life as number)
  }
  return lives
}
