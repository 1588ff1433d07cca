const LENGTH_SIZE = 4

/** A message as a stream of bytes carries it: its length, then itself. */
export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_SIZE + message.length)
  bytes.writeUInt32LE(message.length)
  bytes.set(message, LENGTH_SIZE)
  return bytes
}

/** Finds the messages in a stream of bytes. */
export class Unframer {
  readonly #deliver: (message: Uint8Array) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(deliver: (message: Uint8Array) => void) {
    this.#deliver = deliver
  }

  push(chunk: Buffer): void {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (rest.length >= LENGTH_SIZE) {
      const end = LENGTH_SIZE + rest.readUInt32LE()
      if (rest.length < end) break
      this.#deliver(rest.subarray(LENGTH_SIZE, end))
      rest = rest.subarray(end)
    }
    this.#rest = rest
  }
}
