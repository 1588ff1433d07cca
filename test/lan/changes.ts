import type { Box } from './box.ts'
import type { Lan } from './lan.ts'
import { INSTALL } from './life.ts'
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

/** All see the variables from before, and enter. */
async function works(lan: Lan, boxes: readonly Box[]): Promise<void> {
  const values = await lan.onAll('lamportctl get before', boxes)
  expect(
    values.every(value => value === 'replacing'),
    values.join(),
  )
  for (const box of boxes) await box.must('lamportctl lock -w 30 door true')
}
