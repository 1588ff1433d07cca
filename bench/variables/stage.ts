import { EtcdSite } from './etcd.ts'
import { Floor } from './floor.ts'
import { LamportSite } from './lamport.ts'

import type { Client, Watch } from '../../src/client/client.ts'
import type { Entrant } from './contest.ts'
import type { Place } from './place.ts'

/** The rows of the table, by the name that goals know them by. */
export const ROW = {
  set: 'set, one host',
  setAlternating: 'set, two hosts in turn',
  put: 'etcd put, to the leader',
  putFollower: 'etcd put, to a follower',
  getLocal: 'get, local',
  echo: 'Unix echo of its lines',
  getMajority: 'get, majority',
  getEtcd: 'etcd get, linearizable',
  watched: 'set until three watches have it',
  floor: 'Unix echo, datagram echo, two syncs',
  datagram: 'datagram echo',
  sync: 'write and fdatasync of 4 KiB',
}

const VALUE_BYTES = 100
const NAME = 'bench/value'

/** In one turn. */
const WRITES = 20
const READS = 100

/** lamportd, etcd and what bounds them, beside each other on one machine. */
export class VariablesStage {
  readonly entrants: readonly Entrant[]
  readonly #site: LamportSite
  readonly #etcd: EtcdSite
  readonly #floor: Floor
  readonly #clients: readonly Client[]
  readonly #watches: readonly Watch[]

  private constructor(
    site: LamportSite,
    etcd: EtcdSite,
    floor: Floor,
    clients: readonly [Client, Client, Client],
    watches: readonly Watch[],
  ) {
    this.#site = site
    this.#etcd = etcd
    this.#floor = floor
    this.#clients = clients
    this.#watches = watches
    this.entrants = [
      ...writes(clients, etcd),
      ...reads(clients, etcd, floor),
      ...spread(clients, watches, floor),
    ]
  }

  static async open(place: Place): Promise<VariablesStage> {
    const site = new LamportSite(place, 'bench', '127.0.80')
    const etcd = await EtcdSite.start(place)
    await site.start()
    const [a, b, c] = await site.clients()
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts')
    const clients: [Client, Client, Client] = [a, b, c]
    await a.set(NAME, value())
    await etcd.clients[0].put(NAME).value(value())
    const floor = await Floor.open(place, await lengthsOf(a))
    const watches = clients.map(client => client.watch(WATCHED))
    await Promise.all(watches.map(({ ready }) => ready))
    return new VariablesStage(site, etcd, floor, clients, watches)
  }

  async close(): Promise<void> {
    await Promise.all(this.#watches.map(watch => watch.return()))
    await Promise.all(this.#clients.map(client => client.close()))
    this.#etcd.close()
    this.#floor.close()
    await this.#site.stopAll()
  }
}

const WATCHED = 'bench/watched'

/** A different one each time. */
function value(): string {
  values += 1
  return String(values).padStart(VALUE_BYTES, 'v')
}

let values = 0

function writes([a, b]: readonly [Client, Client, Client], etcd: EtcdSite): Entrant[] {
  const [leader, follower] = etcd.clients
  let turn = 0
  return [
    {
      name: ROW.set,
      count: WRITES,
      once: () => a.set('bench/one', value()),
    },
    {
      name: ROW.put,
      count: WRITES,
      once: () => leader.put('bench/one').value(value()),
    },
    {
      name: ROW.setAlternating,
      count: WRITES,
      once: () => (turn++ % 2 === 0 ? a : b).set('bench/two', value()),
    },
    {
      name: ROW.putFollower,
      count: WRITES,
      once: () => follower.put('bench/two').value(value()),
    },
  ]
}

function reads([a]: readonly [Client, Client, Client], etcd: EtcdSite, floor: Floor): Entrant[] {
  const [leader] = etcd.clients
  return [
    {
      name: ROW.getLocal,
      count: READS,
      once: () => a.get(NAME, { local: true }),
    },
    { name: ROW.echo, count: READS, once: () => floor.unixEcho() },
    { name: ROW.getMajority, count: READS, once: () => a.get(NAME) },
    { name: ROW.getEtcd, count: READS, once: () => leader.get(NAME).string() },
  ]
}

/** From the call that sets until the value is everywhere, and what that is made of. */
function spread(
  [a]: readonly [Client, Client, Client],
  watches: readonly Watch[],
  floor: Floor,
): Entrant[] {
  return [
    {
      name: ROW.watched,
      count: WRITES,
      once: async () => {
        const wanted = value()
        const everywhere = watches.map(watch => seen(watch, wanted))
        await Promise.all([...everywhere, a.set(WATCHED, wanted)])
      },
    },
    {
      name: ROW.floor,
      count: WRITES,
      once: async () => {
        await floor.unixEcho()
        await floor.datagramEcho()
        floor.syncedWrite()
        floor.syncedWrite()
      },
    },
    { name: ROW.datagram, count: WRITES, once: () => floor.datagramEcho() },
    { name: ROW.sync, count: WRITES, once: () => floor.syncedWrite() },
  ]
}

async function seen(watch: Watch, wanted: string): Promise<void> {
  for (;;) {
    const { done, value: change } = await watch.next()
    if (done === true) throw new Error('the watch goes on')
    if (change.value === wanted) return
  }
}

/** How long the lines of a local get are, as they go over the socket. */
async function lengthsOf(client: Client): Promise<{ request: number; answer: number }> {
  const params = { name: NAME, local: true }
  const request = { jsonrpc: '2.0', id: 10_000, method: 'get', params }
  const { value, version, writer, majority } = await client.get(NAME, { local: true })
  const result = { name: NAME, value, version, writer, majority }
  const answer = { jsonrpc: '2.0', id: 10_000, result }
  const bytes = (line: unknown): number => Buffer.byteLength(JSON.stringify(line)) + 1
  return { request: bytes(request), answer: bytes(answer) }
}
