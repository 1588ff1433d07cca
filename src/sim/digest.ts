import type { HostId } from '../core/clock.ts'
import { unreachable } from '../lib/assert.ts'
import type { TraceEvent } from '../node.ts'

/**
 * A fingerprint of a run: two lanes of 32 bits in the manner of FNV-1a. Equal runs have equal
 * fingerprints; it is no defence against anyone who wants two runs to have one.
 */
export class Digest {
  #a = 0x811c9dc5
  #b = 0x9747b28c
  readonly #float = new Float64Array(1)
  readonly #words = new Uint32Array(this.#float.buffer)

  number(value: number): void {
    this.#float[0] = value
    this.#word(this.#words[0] as number)
    this.#word(this.#words[1] as number)
  }

  text(value: string): void {
    this.#word(value.length)
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i))
  }

  bytes(value: Uint8Array): void {
    this.#word(value.length)
    for (const byte of value) this.#word(byte)
  }

  /** A trace event; what messages hold is in the fingerprint by their datagrams. */
  trace(at: number, host: HostId, event: TraceEvent): void {
    this.number(at)
    this.number(host)
    this.text(event.type)
    switch (event.type) {
      case 'send':
      case 'deliver':
      case 'lose':
      case 'retransmit':
        this.number(event.type === 'deliver' ? event.from : event.to)
        this.text(event.message.type)
        this.number(event.message.time)
        return
      case 'request':
      case 'enter':
      case 'leave':
      case 'insert':
      case 'remove':
        this.number(event.token)
        return
      case 'install':
        this.number(event.view.number)
        for (const member of event.view.members.keys()) this.number(member)
        return
      case 'complete':
        this.number(event.view)
        return
      case 'reincarnate':
        this.number(event.incarnation)
        return
      case 'session-up':
      case 'session-lost':
        this.number(event.peer)
        this.number(event.incarnation)
        return
      default:
        unreachable(event)
    }
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return [this.#a, this.#b].map(lane => (lane >>> 0).toString(16).padStart(8, '0')).join('')
  }

  #word(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193)
    const mixed = Math.imul(this.#b ^ word, 0x85ebca6b)
    this.#b = mixed ^ (mixed >>> 15)
  }
}
