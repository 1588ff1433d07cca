import { hostname, networkInterfaces } from 'node:os'
import { isLoopback, isLoopbackIp } from './address.ts'
import type { HostLine, HostsFile } from './config.ts'

/** What this machine calls itself. */
export type Machine = { readonly hostname: string; readonly ips: ReadonlySet<string> }

/** This machine's hostname and the addresses of its interfaces. */
export function thisMachine(): Machine {
  const ips = Object.values(networkInterfaces()).flatMap(list => list?.map(each => each.address))
  return { hostname: hostname(), ips: new Set(ips.filter(ip => ip !== undefined)) }
}

/**
 * Which line of hosts.yml this daemon is: the one asked for; else the one whose name is the
 * machine's hostname; else the only one whose address is the machine's.
 */
export function chooseHost(
  { hosts }: Pick<HostsFile, 'hosts'>,
  asked: string | undefined,
  machine: Machine,
): HostLine | { readonly problem: string } {
  const choices = hosts.map(({ id, name }) => `${id} or ${name}`).join(', ')
  if (asked !== undefined) {
    const host = /^\d+$/.test(asked)
      ? hosts.find(({ id }) => id === Number(asked))
      : hosts.find(({ name }) => name.toLowerCase() === asked.toLowerCase())
    const advice = `(choose --id ${choices})`
    return host ?? { problem: `no host ${JSON.stringify(asked)} in the file ${advice}` }
  }
  const full = machine.hostname.toLowerCase()
  const short = full.split('.')[0]
  for (const own of [full, short]) {
    const host = hosts.find(({ name }) => name.toLowerCase() === own)
    if (host !== undefined) return host
  }
  const [local, another] = hosts.filter(({ place }) => isOwn(place, machine))
  if (local !== undefined && another === undefined) return local
  const reason =
    local === undefined
      ? `no host has the name ${machine.hostname} or an address of this machine`
      : `several hosts have an address of this machine`
  return { problem: `which host is this? ${reason} (say so: --id ${choices})` }
}

/** The hosts whose packets would leave this machine: they are not sealed. */
export function hostsBeyondLoopback({ hosts }: Pick<HostsFile, 'hosts'>): readonly HostLine[] {
  return hosts.filter(
    ({ place, bind }) => !isLoopback(place) || (bind !== undefined && !isLoopbackIp(bind)),
  )
}

function isOwn(place: HostLine['place'], machine: Machine): boolean {
  if (place.type === 'literal') return machine.ips.has(place.ip.split('%')[0] ?? place.ip)
  return place.name.replace(/\.$/, '') === machine.hostname.toLowerCase()
}
