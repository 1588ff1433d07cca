import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { parseHosts } from '../../src/daemon/config.ts'
import { DISK_SECONDS, Histogram } from '../../src/daemon/histogram.ts'
import { Recorder } from '../../src/daemon/recorder.ts'
import { Server } from '../../src/daemon/server.ts'
import type { ServerOptions } from '../../src/daemon/server.ts'
import { milliseconds } from '../../src/lib/time.ts'
import { folderOf } from './daemon-folder.ts'
import { StandInNode } from './daemon-node.ts'

const file = parseHosts(
  new TextEncoder().encode(`
cluster: demo
hosts:
  - { id: 1, name: kitchen, address: 127.0.0.1 }
  - { id: 2, name: garage, address: 127.0.0.1, port: 7412 }
  - { id: 10, name: attic, address: attic.local, port: 7413 }
`),
)

/** A control socket whose node does what a test says. */
export type Started = { path: string; node: StandInNode; server: Server }

/** Host 2, garage, of kitchen (1), garage and attic (10). */
export async function startServer(
  t: ExecutionContext,
  options: Partial<ServerOptions> = {},
  path: string = join(folderOf(t), 'control.sock'),
): Promise<Started> {
  const node = new StandInNode()
  const hosts = 'hosts' in file ? file.hosts : []
  const server = new Server(
    {
      hosts,
      self: 2,
      cluster: 'demo',
      recorder: new Recorder(2),
      version: '1.2.3',
      lease: milliseconds(50),
      connectionsMax: 100,
      requestsMax: 100,
      commits: new Histogram(DISK_SECONDS),
      warn: text => t.fail(text),
      ...options,
    },
    node,
  )
  node.server = server
  await server.listen(path)
  t.teardown(() => void server.close())
  return { path, node, server }
}
