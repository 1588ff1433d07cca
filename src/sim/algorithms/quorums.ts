import type { HostId } from '../../core/clock.ts'
import { assert } from '../../lib/assert.ts'

/** Whom each host asks. Any two of these sets have a host in common, and each has its own host. */
export type Quorums = ReadonlyMap<HostId, readonly HostId[]>

/**
 * Perfect difference sets modulo q² + q + 1: each residue but 0 is the difference of just one pair
 * (Singer, "A Theorem in Finite Projective Geometry", Transactions of the AMS 43, 1938). Shifted, each is the lines of a plane.
 * There is none for q = 6.
 */
const DIFFERENCES: readonly (readonly number[])[] = [
  [0, 1],
  [0, 1, 3],
  [0, 1, 3, 9],
  [0, 1, 4, 14, 16],
  [0, 1, 3, 8, 12, 18],
  [0, 1, 3, 13, 32, 36, 43, 52],
  [0, 1, 3, 7, 15, 31, 36, 54, 63],
]

/** The points of the smallest plane known here that has at least so many. */
function planeFor(hosts: number): { readonly points: number; readonly line: readonly number[] } {
  for (const line of DIFFERENCES) {
    const q = line.length - 1
    const points = q * q + q + 1
    if (points >= hosts) return { points, line }
  }
  throw new RangeError(`no plane here has ${hosts} points`)
}

/**
 * The lines of a finite projective plane, K = q + 1 hosts where N = q² + q + 1 (Maekawa 1985): any two
 * have one point in common. For other N, hosts stand in for the points of a larger plane that are
 * missing.
 */
export function planeQuorums(hosts: readonly HostId[]): Quorums {
  const { points, line } = planeFor(hosts.length)
  const quorums = new Map<HostId, readonly HostId[]>()
  for (const [at, host] of hosts.entries()) {
    const members = line.map(offset => hosts[((at + offset) % points) % hosts.length])
    quorums.set(host, unique(members))
  }
  return quorums
}

/**
 * Row and column of each host in a square grid, K = 2√N − 1 (Maekawa 1985). Only the last row may be
 * short: of two hosts, the one in a full row has the other's column in it.
 */
export function gridQuorums(hosts: readonly HostId[]): Quorums {
  const columns = Math.ceil(Math.sqrt(hosts.length))
  const quorums = new Map<HostId, readonly HostId[]>()
  for (const [at, host] of hosts.entries()) {
    const isMember = (other: number): boolean =>
      other % columns === at % columns || Math.floor(other / columns) === Math.floor(at / columns)
    quorums.set(
      host,
      hosts.filter((_, other) => isMember(other)),
    )
  }
  return quorums
}

/** K: the mean size of a quorum. */
export function meanSize(quorums: Quorums): number {
  let sum = 0
  for (const members of quorums.values()) sum += members.length
  return sum / quorums.size
}

function unique(members: readonly (HostId | undefined)[]): readonly HostId[] {
  const set = new Set<HostId>()
  for (const member of members) {
    assert(member !== undefined, 'a point stands for a host')
    set.add(member)
  }
  return [...set].sort((a, b) => a - b)
}
