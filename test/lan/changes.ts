import type { Box } from './box.ts'
import type { Lan } from './lan.ts'
import { INSTALL } from './life.ts'
import { waitFor } from './run.ts'
import { expect } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/** What becomes of a site over the years: docs/operations.md, followed. */
export const changes: readonly Scenario[] = [
  {
    title: 'a box that died is replaced by a new one under its id, and has every variable',
    async run(lan) {
      const { kitchen, attic } = lan
      await kitchen.must('lamportctl set before replacing')
      const key = await kitchen.must('cat /etc/lamportd/cluster.key')
      await attic.powerCut()
      attic.renew()
      await attic.boot()
      await attic.must(`${INSTALL} ${lan.packages[1]} 2>&1`)
      lan.copyHostsFile([attic])
      attic.write('etc/lamportd/cluster.key', `${key}\n`)
      await attic.must('systemctl enable --now lamportd')
      await lan.together()
      const value = await attic.must('lamportctl get before --local')
      expect(value === 'replacing', `attic has ${value}`)
      return undefined
    },
  },
  {
    title: 'a box moves to another address',
    async run(lan) {
      lan.attic.setAddress('10.77.0.33')
      lan.copyHostsFile()
      await lan.attic.must('networkctl reload && networkctl reconfigure host0')
      for (const box of [lan.attic, lan.kitchen, lan.garage]) {
        await box.must('systemctl restart lamportd')
      }
      await lan.together()
      for (const box of lan.boxes) await box.must('lamportctl lock -w 30 door true')
      return undefined
    },
  },
  {
    title: 'a box is taken out of hosts.yml, and one with a new id is added',
    async run(lan) {
      const rest = [lan.kitchen, lan.garage]
      await lan.attic.must('systemctl stop lamportd')
      await lan.together(rest)
      const early = await lan.kitchen.run('lamportctl doctor --before-change')
      expect(early.code === 1, `attic is down, and doctor lets the change pass: ${early.stdout}`)
      expect(/attic/.test(early.stdout), `doctor does not name attic: ${early.stdout}`)
      await lan.attic.must('systemctl start lamportd')
      await lan.together()
      await passes(lan.kitchen, 'lamportctl doctor --before-change')
      await lan.kitchen.must('lamportctl export /lan/backup.jsonl')
      await lan.onAll('systemctl stop lamportd')
      lan.copyHostsFile(rest, rest)
      await lan.onAll('systemctl start lamportd', rest)
      await lan.together(rest)
      await works(lan, rest)
      await lan.attic.must('rm -r /var/lib/lamportd')
      lan.attic.id = 4
      await lan.onAll('systemctl stop lamportd', rest)
      lan.copyHostsFile()
      await lan.onAll('systemctl start lamportd')
      await lan.together()
      await works(lan, lan.boxes)
      return undefined
    },
  },
  {
    title: 'two boxes are gone for good: the third begins a new cluster with what it knows',
    async run(lan) {
      const { kitchen, garage, attic } = lan
      await lan.onAll('systemctl stop lamportd', [garage, attic])
      const alone = await kitchen.run('lamportctl set --wait 1 before after')
      expect(alone.code === 69, `kitchen alone: exit ${alone.code}: ${alone.stderr}`)
      await kitchen.must('rm -f /lan/backup.jsonl && lamportctl export /lan/backup.jsonl')
      await kitchen.must('systemctl stop lamportd && mv /var/lib/lamportd /var/lib/lamportd.old')
      kitchen.write('etc/lamportd/hosts.yml', lan.hostsFile([kitchen], 'survivor'))
      await kitchen.must('systemctl start lamportd')
      await lan.together([kitchen])
      await kitchen.must('lamportctl import /lan/backup.jsonl')
      await works(lan, [kitchen])
      // Back to what it was, for what comes next.
      await kitchen.must('systemctl stop lamportd && rm -r /var/lib/lamportd')
      await kitchen.must('mv /var/lib/lamportd.old /var/lib/lamportd')
      lan.copyHostsFile()
      await lan.onAll('systemctl start lamportd')
      await lan.together()
      await works(lan, lan.boxes)
      return undefined
    },
  },
  {
    title: 'the package is removed, which keeps the state, and purged, which asks nothing',
    async run(lan) {
      const { attic } = lan
      await attic.must('apt-get -q -y remove lamportd 2>&1')
      await attic.must('! systemctl is-active lamportd')
      await lan.together([lan.kitchen, lan.garage])
      await attic.must('test -d /var/lib/lamportd && test -f /etc/lamportd/cluster.key')
      await attic.must(`${INSTALL} ${lan.packages[1]} 2>&1`)
      await attic.must('systemctl is-enabled lamportd && systemctl start lamportd')
      await lan.together()
      await attic.must('apt-get -q -y purge lamportd 2>&1')
      const left = await attic.run(
        'ls -d /var/lib/lamportd /etc/lamportd /etc/default/lamportd /usr/lib/lamportd ' +
          '/etc/systemd/system/*.wants/lamportd.service',
      )
      expect(left.stdout === '', `left behind: ${left.stdout}`)
      await lan.together([lan.kitchen, lan.garage])
      return undefined
    },
  },
]

/** Disks that have just accepted something say so with the next heartbeat. */
async function passes(box: Box, line: string): Promise<void> {
  let said = ''
  await waitFor(`${line} to pass`, 20_000, async () => {
    const { code, stdout, stderr } = await box.run(line)
    said = stdout + stderr
    return code === 0
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}:\n${said}`)
  })
}

/** All see the variables from before, and enter. */
async function works(lan: Lan, boxes: readonly Box[]): Promise<void> {
  const values = await lan.onAll('lamportctl get before', boxes)
  expect(
    values.every(value => value === 'replacing'),
    values.join(),
  )
  for (const box of boxes) await box.must('lamportctl lock -w 30 door true')
}
