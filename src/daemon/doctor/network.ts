import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { DoctorFinding } from '../../control/protocol.ts'
import { formatAddress } from '../address.ts'
import { BUFFER_BYTES } from '../network.ts'
import { codeOf, reasonOf } from '../refusal.ts'
import { radio, type Radio } from '../wifi.ts'
import { failure, fine, warning } from './finding.ts'

/** Whether a daemon could have this port: it is bound for a moment. */
export async function checkFreePort(ip: string, port: number): Promise<DoctorFinding> {
  const where = `UDP ${formatAddress(ip, port)}`
  const socket = createSocket({ type: ip.includes(':') ? 'udp6' : 'udp4' })
  try {
    socket.bind({ address: ip, port, exclusive: true })
    await once(socket, 'listening')
    return fine('port', `${where} is free`)
  } catch (error) {
    const advice =
      codeOf(error) === 'EADDRINUSE'
        ? `see ss -ulpn 'sport = ${port}'; or write another port: on all hosts`
        : 'is the network up? is address: in hosts.yml right?'
    return failure('port', `${where} cannot be bound: ${reasonOf(error)}`, advice)
  } finally {
    socket.close()
  }
}

/** Of a daemon that runs. */
export function checkBoundPort(ip: string, port: number, isBound: boolean): DoctorFinding {
  const where = `UDP ${formatAddress(ip, port)}`
  if (isBound) return fine('port', `${where} is bound`)
  const advice = 'is the network up? is address: in hosts.yml right? the log says why'
  return failure('port', `${where} is not bound: no other host can be heard`, advice)
}

/** The largest buffers that the system gives to a socket. */
export function readBufferLimits(): Readonly<Record<string, number>> {
  const limits: Record<string, number> = {}
  for (const name of ['rmem_max', 'wmem_max']) {
    try {
      limits[`net.core.${name}`] = Number(readFileSync(`/proc/sys/net/core/${name}`, 'utf8'))
    } catch {
      // Not told here, as in some containers.
    }
  }
  return limits
}

export function checkBuffers(limits: Readonly<Record<string, number>>): DoctorFinding {
  const small = Object.entries(limits).filter(([, bytes]) => bytes < BUFFER_BYTES)
  if (small.length === 0) return fine('buffers', 'the sockets have room for a burst of every host')
  const is = small.map(([name, bytes]) => `${name} is ${bytes}`).join(', ')
  const settings = small.map(([name]) => `${name}=${BUFFER_BYTES}`)
  const advice = `sysctl -w ${settings.join(' ')}, and the same in /etc/sysctl.d/lamportd.conf`
  return warning('buffers', `${is}: a burst of packets may be lost`, advice)
}

/** A socket that is bound to one of them is on every interface. */
const UNSPECIFIED = new Set(['0.0.0.0', '::'])

/** A radio that sleeps between packets delays each by 100 ms and more. */
export async function checkWifi(ip: string, machine: Radio = radio): Promise<DoctorFinding> {
  const name = machine.interfaceOf(ip)
  if (name === undefined && UNSPECIFIED.has(ip)) {
    return fine(
      'wifi',
      `bound to ${ip}, all addresses: whether one is on a radio was not looked at`,
    )
  }
  if (name === undefined || !machine.isWireless(name)) {
    return fine('wifi', `${ip} is not on a radio`)
  }
  let answer: string
  try {
    answer = await machine.powerSave(name)
  } catch {
    const text = `whether ${name} saves power is not known: there is no iw, or it may not be asked`
    return warning('wifi', text, 'apt install iw; iw dev ' + name + ' get power_save')
  }
  if (!/power save: on/i.test(answer)) return fine('wifi', `${name} does not save power`)
  const text = `${name} saves power: packets wait for its radio, often for 100 ms and more`
  return warning('wifi', text, `iw dev ${name} set power_save off; docs/operations.md, Wi-Fi`)
}
