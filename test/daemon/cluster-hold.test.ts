import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { SILENCE_MS_MAX } from '../helpers/machine.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import type { Program } from '../helpers/processes.ts'
import { Site, waits } from '../helpers/site.ts'

/** A service that is active where the file says so last. */
class Service {
  readonly file: string

  constructor(folder: string) {
    this.file = join(folder, 'service')
    appendFileSync(this.file, '')
  }

  keep(host: Host): Program {
    const note = (what: string): string => `echo ${what} $LAMPORT_HOST >> ${this.file}`
    return host.ctl('hold', 'web', '--on-acquire', note('up'), '--on-lost', note('down'))
  }

  get lines(): readonly string[] {
    return readFileSync(this.file, 'utf8').split('\n').slice(0, -1)
  }

  said(line: string): Promise<void> {
    return eventually(line, () => this.lines.at(-1) === line)
  }
}

test.serial(
  'the standby takes over when the active one ends, and when its host is killed',
  async t => {
    const { cluster, one, two, three, machine } = await Site.start(t, { ids: [1, 2, 3] })
    const service = new Service(cluster.folder)
    const first = service.keep(one)
    await service.said('up host-1')
    const second = service.keep(two)
    await waits(three, 1, 'web')
    first.kill('SIGTERM')
    t.is(await first.closed, 0)
    await service.said('up host-2')
    t.deepEqual(service.lines, ['up host-1', 'down host-1', 'up host-2'])
    const third = service.keep(three)
    await waits(three, 1, 'web')
    await machine.within(t, SILENCE_MS_MAX, 'from kill -9 to the standby', async () => {
      // The whole host: nobody runs on-lost any more.
      two.daemon.kill('SIGKILL')
      second.kill('SIGKILL')
      await service.said('up host-3')
    })
    third.kill('SIGTERM')
    t.is(await third.closed, 0)
  },
)

test.serial('where only the daemon is killed, on-lost runs before the other is active', async t => {
  const { cluster, one, two, three } = await Site.start(t, { ids: [1, 2, 3] })
  const service = new Service(cluster.folder)
  const first = service.keep(one)
  await service.said('up host-1')
  const second = service.keep(two)
  await waits(three, 1, 'web')
  await one.kill()
  await service.said('up host-2')
  t.deepEqual(service.lines, ['up host-1', 'down host-1', 'up host-2'])
  await one.start()
  await waits(three, 1, 'web')
  second.kill('SIGTERM')
  t.is(await second.closed, 0)
  await service.said('up host-1')
  one.daemon.kill('SIGTERM')
  await service.said('down host-1')
  t.is(await one.daemon.exited, 0)
  await one.start()
  await service.said('up host-1')
  first.kill('SIGTERM')
  t.is(await first.closed, 0)
})
