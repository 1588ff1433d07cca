import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import type { Address } from '../transport/endpoint.ts'
import { formatAddress } from './address.ts'
import type { Log } from './log.ts'
import { codeOf, ExitCode, reasonOf, Refusal } from './refusal.ts'

/** Room for a burst of every peer: the kernel's default holds some 250 small datagrams. */
export const BUFFER_BYTES: number = 1024 * 1024

/** Until the network is up, and after a failure of the socket. */
const BIND_AGAIN_MS = 1000

/**
 * A send that fails says so only to a callback, and a callback costs as much as a fifth of a send:
 * the first ones after a failure have one, then one in so many.
 */
const WATCHED_SENDS = 64
const WATCH_EVERY = 64

/** The same trouble with the same host is told this often. */
const TELL_AGAIN_MS = 60_000

export type NetworkOutput = {
  /** A socket is open, and its receive buffer has so many bytes. */
  bound(receiveBuffer: number): void
  receive(from: Address, bytes: Uint8Array): void
  /** The address cannot be had, whatever is tried. */
  failed(refusal: Refusal): void
}

/** The one UDP socket. What it cannot send is lost, as on any network; it never fails a sender. */
export class Network {
  readonly #log: Log
  readonly #output: NetworkOutput
  #socket: Socket | undefined
  #again: NodeJS.Timeout | undefined
  #isWaiting = false
  #isClosed = false
  #sends = 0
  #watched = WATCHED_SENDS
  #failedSends = 0
  readonly #told = new Map<string, number>()

  constructor(log: Log, output: NetworkOutput) {
    this.#log = log
    this.#output = output
  }

  get isBound(): boolean {
    return this.#socket !== undefined
  }

  /** Sends that are known to have failed; one in so many is looked at. */
  get failedSends(): number {
    return this.#failedSends
  }

  /** Binds; again and again while the machine does not have the address. */
  bind(local: Address): void {
    if (this.#isClosed) return
    const family = local.ip.includes(':') ? 6 : 4
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      // Addresses are literals here. Only with a lookup of our own does a send happen at once.
      lookup: (host, _options, done) => done(null, host, family),
    })
    // Handlers first: with that lookup `listening` comes before `bind` returns.
    socket.on('error', error => this.#trouble(socket, local, error))
    socket.on('listening', () => this.#bound(socket, local))
    socket.on('message', (bytes, { address, port }) => {
      this.#output.receive({ ip: address, port }, bytes)
    })
    socket.bind({ address: local.ip, port: local.port, exclusive: true })
  }

  send(to: Address, bytes: Uint8Array): void {
    if (this.#socket === undefined) {
      this.#failedSends += 1
      return
    }
    this.#sends += 1
    if (this.#watched > 0 || this.#sends % WATCH_EVERY === 0) {
      this.#socket.send(bytes, to.port, to.ip, error => this.#sent(to, error))
    } else this.#socket.send(bytes, to.port, to.ip)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#again)
    this.#socket?.close()
    this.#socket = undefined
  }

  #bound(socket: Socket, local: Address): void {
    this.#socket = socket
    if (this.#isWaiting) this.#log.info(`bound ${formatAddress(local.ip, local.port)}`)
    this.#isWaiting = false
    socket.setRecvBufferSize(BUFFER_BYTES)
    socket.setSendBufferSize(BUFFER_BYTES)
    const [receive, send] = [socket.getRecvBufferSize(), socket.getSendBufferSize()]
    this.#output.bound(receive)
    this.#warnOfBuffers(receive, send)
  }

  #warnOfBuffers(receive: number, send: number): void {
    // Linux gives twice what was asked for (socket(7)), or twice its limit.
    const clamped = [
      ...(receive < 2 * BUFFER_BYTES ? ['net.core.rmem_max'] : []),
      ...(send < 2 * BUFFER_BYTES ? ['net.core.wmem_max'] : []),
    ]
    if (clamped.length === 0 || this.#told.has('buffers')) return
    this.#told.set('buffers', 0)
    const settings = clamped.map(name => `${name}=${BUFFER_BYTES}`).join(' ')
    const reason = 'the system allows only small socket buffers: a burst of packets may be lost'
    this.#log.warning(`${reason} (sysctl -w ${settings})`)
  }

  #trouble(socket: Socket, local: Address, error: Error): void {
    const where = formatAddress(local.ip, local.port)
    socket.removeAllListeners('message')
    socket.close()
    this.#socket = undefined
    if (this.#isClosed) return
    const code = codeOf(error)
    if (code === 'EADDRINUSE') {
      const advice = `see ss -ulpn 'sport = ${local.port}'; or write another port: in hosts.yml`
      const text = `UDP ${where} is in use by another program (${advice})`
      this.#output.failed(new Refusal(ExitCode.cannotCreate, text))
      return
    }
    if (code === 'EACCES' || code === 'EAFNOSUPPORT') {
      const advice = 'write another address: or port: in hosts.yml'
      const text = `UDP ${where} cannot be bound: ${reasonOf(error)} (${advice})`
      this.#output.failed(new Refusal(ExitCode.cannotCreate, text))
      return
    }
    if (!this.#isWaiting) {
      const advice = 'is the network up? is address: in hosts.yml right? trying on'
      this.#log.warning(`UDP ${where} cannot be bound: ${reasonOf(error)} (${advice})`)
    }
    this.#isWaiting = true
    this.#again = setTimeout(() => this.bind(local), BIND_AGAIN_MS)
  }

  #sent(to: Address, error: Error | null): void {
    if (error === null) {
      if (this.#watched > 0) this.#watched -= 1
      return
    }
    this.#watched = WATCHED_SENDS
    this.#failedSends += 1
    if (this.#isClosed) return
    const text = `packets to ${formatAddress(to.ip, to.port)} are lost: ${reasonOf(error)}`
    const now = performance.now()
    if (now - (this.#told.get(text) ?? -Infinity) < TELL_AGAIN_MS) return
    this.#told.set(text, now)
    this.#log.warning(`${text} (trying on; is the network up, or a firewall in the way?)`)
  }
}
