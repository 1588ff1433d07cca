import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** Where a host is, as hosts.yml says it: a literal, usable at once, or a name to be resolved. */
export type Place =
  | { readonly type: 'literal'; readonly ip: string; readonly family: 4 | 6 }
  | { readonly type: 'name'; readonly name: string }

/** Reads `address:`; a reason in the form "what is wrong (what to write instead)" if it is none. */
export function parsePlace(text: string): Place | { readonly wrong: string } {
  const literal = parseLiteral(text)
  if (literal !== undefined) return literal
  const withPort = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(text)
  const bare = withPort?.[1] ?? ''
  if (withPort !== null && (isIPv4(bare) || isIPv6(bare) || isHostName(bare))) {
    return { wrong: `address ${text} has a port in it (write ${bare}, and port: ${withPort[2]})` }
  }
  if (/^[\d.]+$/.test(text)) {
    return { wrong: `address ${text} is not an IPv4 address (write four numbers of 0 to 255)` }
  }
  if (text.includes(':')) {
    return { wrong: `address ${JSON.stringify(text)} is not an IPv6 address (write 2001:db8::1)` }
  }
  if (isHostName(text)) return { type: 'name', name: text.toLowerCase() }
  return {
    wrong: `${JSON.stringify(text)} is not an address (write an IPv4 or IPv6 address or a host name)`,
  }
}

/** Reads `bind:`: a literal, which may be the unspecified address (all interfaces). */
export function parseLiteral(text: string): (Place & { type: 'literal' }) | undefined {
  if (isIPv4(text)) return { type: 'literal', ip: text, family: 4 }
  if (!isIPv6(text)) return undefined
  // One spelling for each address, the kernel's, so that it equals what a datagram came from.
  const [bare = text, scope] = text.split('%')
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' })
  return { type: 'literal', ip: scope === undefined ? address : `${address}%${scope}`, family: 6 }
}

/** Why nobody can send to this literal, if so. */
export function unreachableReason(ip: string): string | undefined {
  if (ip === '0.0.0.0' || ip === '::') return 'means "all interfaces" and is nobody’s address'
  const first = Number(/^(\d+)\./.exec(ip)?.[1] ?? 0)
  if (first >= 224 || /^ff/i.test(ip)) return 'is a multicast or broadcast address'
  if (/^::ffff:/i.test(ip)) return 'is an IPv4 address in IPv6’s clothes'
  return undefined
}

/** Whether packets to this place cannot leave the machine. */
export function isLoopback(place: Place): boolean {
  if (place.type === 'name') return /(^|\.)localhost$/.test(place.name)
  return isLoopbackIp(place.ip)
}

/** Whether this literal is the machine itself. */
export function isLoopbackIp(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1'
}

/** `address:port` as people write it. */
export function formatAddress(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

function isHostName(text: string): boolean {
  return (
    text.length <= 253 &&
    /^([a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?)(\.[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?)*\.?$/i.test(text)
  )
}
