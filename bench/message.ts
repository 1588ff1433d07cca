import { crc32 } from 'node:zlib'

/** As long as a REQUEST with its headers, more or less. */
const MESSAGE_SIZE = 100
const HEADER_SIZE = 25

/** As long as one message may be. */
const BULK_SIZE = 1024 * 1024
/** What a long message says behind its beginning: each place differs from every other. */
const LONG = Buffer.alloc(BULK_SIZE)
for (let at = 0; at < LONG.length; at += 4) LONG.writeUInt32LE(at, at)

/** `lone` wants no answer; a `request` is answered by a `reply`, and `bulk` by a `receipt`. */
const KINDS = ['lone', 'request', 'reply', 'bulk', 'receipt'] as const
export type Kind = (typeof KINDS)[number]

/** What a message tells of itself. Instants are CLOCK_MONOTONIC, the same in every process. */
export type Content = {
  readonly kind: Kind
  /** Counts the messages of one line in one direction. */
  readonly sequence: number
  /** When it was to be sent, and when it was. */
  readonly due: number
  readonly sent: number
}

/** Writes messages that show whether they arrived whole, once and in order. */
export class Writer {
  #next = 0
  #long: Buffer | undefined

  write(kind: Kind, due: number, sent: number): Uint8Array {
    const bytes = kind === 'bulk' ? this.#longBytes() : Buffer.alloc(MESSAGE_SIZE)
    bytes.writeUInt8(KINDS.indexOf(kind), 4)
    bytes.writeUInt32LE(this.#next++, 5)
    bytes.writeDoubleLE(due, 9)
    bytes.writeDoubleLE(sent, 17)
    bytes.writeUInt32LE(crc32(bytes.subarray(4, MESSAGE_SIZE)), 0)
    return bytes
  }

  /** Used again: to make a megabyte takes longer than to send it, and the last one has arrived. */
  #longBytes(): Buffer {
    this.#long ??= Buffer.from(LONG)
    return this.#long
  }
}

/** Whether it is a long one, or the receipt of one: they are numbered by themselves. */
export function isBulk(message: Uint8Array): boolean {
  const kind = KINDS[message[4] ?? 0]
  return kind === 'bulk' || kind === 'receipt'
}

/** Reads what a `Writer` wrote. */
export class Reader {
  #next = 0

  /** `undefined`: damaged, doubled, or not in its turn. */
  read(message: Uint8Array): Content | undefined {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
    if (bytes.length < HEADER_SIZE) return undefined
    if (bytes.readUInt32LE(0) !== crc32(bytes.subarray(4, MESSAGE_SIZE))) return undefined
    const isWhole = bytes.length === MESSAGE_SIZE || bytes.length === BULK_SIZE
    // At once, for it must not hold up what comes behind it.
    if (!isWhole || bytes.compare(LONG, MESSAGE_SIZE, bytes.length, MESSAGE_SIZE) !== 0)
      return undefined
    const kind = KINDS[bytes.readUInt8(4)]
    const sequence = bytes.readUInt32LE(5)
    if (kind === undefined || sequence !== this.#next) return undefined
    this.#next++
    return { kind, sequence, due: bytes.readDoubleLE(9), sent: bytes.readDoubleLE(17) }
  }
}
