import type { HostId } from '../../core/clock.ts'
import { centralServer } from './central-server.ts'
import type { Algorithm } from './contender.ts'
import { lamport } from './lamport.ts'
import { maekawa } from './maekawa.ts'
import { gridQuorums, meanSize, planeQuorums, type Quorums } from './quorums.ts'
import { meanDistance, raymond } from './raymond.ts'
import { ricartAgrawala } from './ricart-agrawala.ts'
import { plainLamport } from './suppressed.ts'
import { suzukiKasami } from './suzuki-kasami.ts'
import { atLeast, between, exactly, onAverage, type Expected, type Theory } from './theory.ts'
import { tokenRing } from './token-ring.ts'

/** An algorithm, and what is known of it. */
export type CatalogueEntry = {
  readonly id: string
  readonly title: string
  readonly algorithm: Algorithm
  /** One request at a time, and every host after every other equally often. */
  light(hosts: readonly HostId[]): Omit<Expected, 'synchronisation'>
  /** Every host asks again at once. The response follows from this. */
  saturated(hosts: readonly HostId[]): {
    readonly messages: Theory
    readonly synchronisation: Theory
  }
  /** K, the mean size of a quorum. */
  quorum?(hosts: readonly HostId[]): number
}

/** From a request to all answers, or to a server and back. */
const ROUND_TRIP: Theory = exactly(2)
const ONE_DELAY: Theory = exactly(1)

/** All that are compared, permission-based ones first, then those with a token, then the server. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    id: 'lamport',
    title: 'Lamport',
    algorithm: lamport,
    light: ({ length: n }) => ({ messages: exactly(3 * (n - 1), '3(N-1)'), response: ROUND_TRIP }),
    saturated: ({ length: n }) => ({
      messages: exactly(3 * (n - 1), '3(N-1)'),
      synchronisation: ONE_DELAY,
    }),
  },
  {
    id: 'lamport-suppressed',
    title: 'Lamport, suppressed',
    algorithm: plainLamport({ byRequest: true, byRelease: true }),
    light: ({ length: n }) => ({ messages: exactly(3 * (n - 1), '3(N-1)'), response: ROUND_TRIP }),
    saturated: ({ length: n }) => ({
      messages: exactly(2 * (n - 1), '2(N-1)'),
      synchronisation: ONE_DELAY,
    }),
  },
  {
    id: 'ricart-agrawala',
    title: 'Ricart-Agrawala',
    algorithm: ricartAgrawala,
    light: ({ length: n }) => ({ messages: exactly(2 * (n - 1), '2(N-1)'), response: ROUND_TRIP }),
    saturated: ({ length: n }) => ({
      messages: exactly(2 * (n - 1), '2(N-1)'),
      synchronisation: ONE_DELAY,
    }),
  },
  maekawaEntry('plane', planeQuorums),
  maekawaEntry('grid', gridQuorums),
  {
    id: 'suzuki-kasami',
    title: 'Suzuki-Kasami',
    algorithm: suzukiKasami,
    // Once in N times the token is there already.
    light: ({ length: n }) => ({
      messages: onAverage(n - 1, '0 or N'),
      response: onAverage((2 * (n - 1)) / n, '0 or 2'),
    }),
    saturated: ({ length: n }) => ({ messages: exactly(n, 'N'), synchronisation: ONE_DELAY }),
  },
  {
    id: 'raymond',
    title: 'Raymond',
    algorithm: raymond,
    // A REQUEST and a PRIVILEGE over each edge between the two.
    light: hosts => ({
      messages: onAverage(2 * meanDistance(hosts), 'O(log N)'),
      response: onAverage(2 * meanDistance(hosts), 'O(log N)'),
    }),
    // The privilege goes over each of N-1 edges twice while N enter, and is asked for each time.
    saturated: ({ length: n }) => ({
      messages: exactly((4 * (n - 1)) / n, '4(N-1)/N'),
      synchronisation: exactly((2 * (n - 1)) / n),
    }),
  },
  {
    id: 'token-ring',
    title: 'Token ring',
    algorithm: tokenRing,
    light: ({ length: n }) => ({ messages: atLeast(1), response: between(0, n) }),
    saturated: () => ({ messages: exactly(1), synchronisation: ONE_DELAY }),
  },
  {
    id: 'central-server',
    title: 'Central server',
    algorithm: centralServer,
    light: () => ({ messages: exactly(3), response: ROUND_TRIP }),
    saturated: () => ({ messages: exactly(3), synchronisation: exactly(2) }),
  },
]

function maekawaEntry(
  name: string,
  quorumsOf: (hosts: readonly HostId[]) => Quorums,
): CatalogueEntry {
  const quorum = (hosts: readonly HostId[]): number => meanSize(quorumsOf(hosts))
  return {
    id: `maekawa-${name}`,
    title: `Maekawa, ${name}`,
    algorithm: maekawa(quorumsOf),
    quorum,
    light: hosts => ({
      messages: exactly(3 * (quorum(hosts) - 1), '3(K-1)'),
      response: ROUND_TRIP,
    }),
    saturated: hosts => ({
      messages: between(3 * (quorum(hosts) - 1), 5 * (quorum(hosts) - 1), '3..5(K-1)'),
      // A RELEASE and a GRANT; one of them is no message where the arbiter is one of the two hosts.
      synchronisation: between(1, 2),
    }),
  }
}
