import { spawnSync } from 'node:child_process'
import { isIPv6 } from 'node:net'
import type { ExecutionContext } from 'ava'

/** The system's own programs: npm puts others before them, and one of those is called `nft`, too. */
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

/** What each program that is needed is asked, to see whether it is there. */
const VERSION = { ip: '-V', nft: '-v', ethtool: '--version' } as const

/** Of this process: namespaces have names that all share. */
let made = 0

/**
 * Hosts in network namespaces of their own, on a bridge in one more, whose forwarding loses what it
 * is told to: what one host sends is lost on its way, as on a real network, and no send of it fails.
 */
export class Lan {
  readonly #prefix: string
  readonly #addresses: ReadonlyMap<number, string>

  /** Why there can be none here, if so. */
  static problem(programs: readonly (keyof typeof VERSION)[] = ['ip', 'nft']): string | undefined {
    if (process.getuid?.() !== 0) return 'only root makes network namespaces'
    for (const program of programs) {
      const { status } = spawnSync(program, [VERSION[program]], { env })
      if (status !== 0) return `${program} is not installed`
    }
    return undefined
  }

  /** The namespaces are there when this returns, and gone when the test has ended. */
  constructor(t: Pick<ExecutionContext, 'teardown'>, addresses: ReadonlyMap<number, string>) {
    made += 1
    this.#prefix = `lamport${process.pid}x${made}`
    this.#addresses = addresses
    t.teardown(() => {
      for (const id of [0, ...addresses.keys()])
        spawnSync('ip', ['netns', 'del', this.#name(id)], { env })
    })
    const hub = this.#name(0)
    run('ip', 'netns', 'add', hub)
    run('ip', '-n', hub, 'link', 'add', 'lan', 'type', 'bridge')
    run('ip', '-n', hub, 'link', 'set', 'lan', 'up')
    for (const [id, address] of addresses) {
      const name = this.#name(id)
      const port = `port${id}`
      run('ip', 'netns', 'add', name)
      const pair = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', name]
      run('ip', '-n', hub, 'link', 'add', port, ...pair)
      run('ip', '-n', hub, 'link', 'set', port, 'master', 'lan', 'up')
      // Usable at once: nobody looks whether another has the address already (RFC 4862 §5.4).
      const length = isIPv6(address) ? [`${address}/64`, 'nodad'] : [`${address}/24`]
      run('ip', '-n', name, 'address', 'add', ...length, 'dev', 'eth0')
      run('ip', '-n', name, 'link', 'set', 'eth0', 'up')
      run('ip', '-n', name, 'link', 'set', 'lo', 'up')
    }
    const hook = 'type filter hook forward priority 0; policy accept;'
    this.#nft(`add table bridge lan; add chain bridge lan loss { ${hook} }`)
  }

  /** One more address of this host. */
  addAddress(id: number, address: string): void {
    run('ip', '-n', this.#name(id), 'address', 'add', `${address}/24`, 'dev', 'eth0')
  }

  /** How this host reaches that address from that one of its own: options of ip-route(8). */
  route(id: number, to: string, from: string, options: readonly string[]): void {
    const route = [`${to}/32`, 'dev', 'eth0', 'src', from, ...options]
    run('ip', '-n', this.#name(id), 'route', 'add', ...route)
  }

  /** A packet is a packet: none is put together from several, or cut into several, on its way. */
  withoutOffloads(): void {
    const off = ['tso', 'off', 'gso', 'off', 'gro', 'off']
    for (const id of this.#addresses.keys()) {
      run(...this.via(id), 'ethtool', '-K', 'eth0', ...off)
      run(...this.via(0), 'ethtool', '-K', `port${id}`, ...off)
    }
  }

  /** Counts what passes between each two addresses, whether it is lost then or not. */
  watch(pairs: readonly (readonly [string, string])[]): void {
    const hook = 'type filter hook forward priority -10; policy accept;'
    const rules = pairs.flatMap(([a, b]) => [
      `add rule bridge lan count ip saddr ${a} ip daddr ${b} counter`,
      `add rule bridge lan count ip saddr ${b} ip daddr ${a} counter`,
    ])
    this.#nft([`add chain bridge lan count { ${hook} }`, ...rules].join('; '))
  }

  /** How many packets have passed between these two addresses. */
  passed(a: string, b: string): number {
    const rules = this.#nft('list chain bridge lan count').split('\n')
    const counts = [`${a} ip daddr ${b} `, `${b} ip daddr ${a} `].map(ends => {
      const rule = rules.find(line => line.includes(`saddr ${ends}`))
      return Number(/packets (\d+)/.exec(rule ?? '')?.[1])
    })
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** What runs a program inside. */
  via(id: number): readonly [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.#name(id)]
  }

  /** Nothing between these, in both directions. */
  cut(...links: readonly (readonly [number, number])[]): void {
    const drop = (from: string, to: string): string => {
      const family = isIPv6(from) ? 'ip6' : 'ip'
      return `${family} saddr ${from} ${family} daddr ${to} counter drop`
    }
    const pairs = links.map(([a, b]) => [this.#address(a), this.#address(b)] as const)
    this.#rules(pairs.flatMap(([a, b]) => [drop(a, b), drop(b, a)]))
  }

  /** Nothing from or to this one. */
  isolate(id: number): void {
    this.cut(
      ...[...this.#addresses.keys()]
        .filter(other => other !== id)
        .map(other => [id, other] as const),
    )
  }

  /** So many of a hundred packets are lost, at random. */
  lose(percent: number): void {
    this.#rules([`meta protocol { ip, ip6 } numgen random mod 100 < ${percent} counter drop`])
  }

  /** How many packets have been lost since the network was told to lose them. */
  get lost(): number {
    const rules = this.#nft('list chain bridge lan loss')
    return [...rules.matchAll(/packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  /** All arrives again. */
  heal(): void {
    this.#rules([])
  }

  #rules(rules: readonly string[]): void {
    const added = rules.map(rule => `add rule bridge lan loss ${rule}`)
    this.#nft(['flush chain bridge lan loss', ...added].join('; '))
  }

  #nft(script: string): string {
    return run(...this.via(0), 'nft', script)
  }

  #address(id: number): string {
    const address = this.#addresses.get(id)
    if (address === undefined) throw new Error(`there is no host ${id} on this network`)
    return address
  }

  #name(id: number): string {
    return `${this.#prefix}-${id}`
  }
}

function run(...[program, ...args]: readonly [string, ...string[]]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}
