import { join } from 'node:path'
import { run, waitFor } from './run.ts'
import { expect } from './scenario.ts'
import type { Scenario } from './scenario.ts'

const STATE = 'var/lib/lamportd'

/** A value that a few dozen of fill what is left of a disk. */
const LONG = 'x'.repeat(60_000)

/** SD cards fill up, and break. */
export const disks: readonly Scenario[] = [
  {
    title:
      'the disk of a box is full: the others go on, it says so, and is back when there is room',
    async run(lan) {
      const { garage, kitchen } = lan
      await garage.run(`dd if=/dev/zero of=/${STATE}/ballast bs=64k; sync`)
      lan.share('long', LONG)
      for (let count = 0; count < 40; count += 1) {
        await kitchen.must(`lamportctl set full/${count} - < /lan/long`)
      }
      const said = /no space left/
      await waitFor('garage to say that its disk is full', 20_000, async () =>
        said.test(await garage.journal(100)),
      )
      const line = (await garage.journal(100)).split('\n').find(text => said.test(text)) ?? ''
      // It is started again and again, and refused for as long as there is no room.
      await kitchen.must('lamportctl lock -w 30 door true')
      await garage.must(`rm /${STATE}/ballast`)
      await lan.together()
      const values = await lan.onAll(`lamportctl get full/39 | wc -c`)
      expect(
        values.every(size => size === String(LONG.length)),
        values.join(),
      )
      return line
    },
  },
  {
    title: 'the disk of a box fails and becomes read-only: likewise, after a repair',
    async run(lan) {
      const { garage, kitchen } = lan
      // What the kernel does when a card no longer takes what is written.
      run('mount', '-o', 'remount,abort', join(garage.root, STATE))
      await kitchen.must('lamportctl set after abort')
      const said = /read-only/
      await waitFor('garage to say that its disk is read-only', 20_000, async () =>
        said.test(await garage.journal(100)),
      )
      const line = (await garage.journal(100)).split('\n').find(text => said.test(text)) ?? ''
      await kitchen.must('lamportctl lock -w 30 door true')
      await garage.powerCut()
      await garage.repairDisk(STATE)
      await garage.boot()
      await lan.together()
      expect((await garage.must('lamportctl get after')) === 'abort', 'the variable is there')
      return line
    },
  },
  {
    title: 'a box whose clock says 1970 is a full member',
    async run(lan) {
      const { attic } = lan
      attic.write('etc/systemd/system/lamportd.service.d/1970.conf', FAKE)
      await attic.must('systemctl daemon-reload && systemctl restart lamportd')
      await lan.together()
      const pid = await attic.must('systemctl show -P MainPID lamportd')
      const maps = await attic.must(`cat /proc/${pid}/maps`)
      expect(/libfaketime/.test(maps), 'its clock is not what it should be')
      const env = (await attic.must(`tr '\\0' '\\n' < /proc/${pid}/environ`)).split('\n')
      const fake = env.filter(text => /FAKE|LD_PRELOAD/.test(text)).map(text => `'${text}'`)
      const year = await attic.must(`env ${fake.join(' ')} node -p 'new Date().getFullYear()'`)
      await attic.must(`lamportctl set year ${year}`)
      for (const value of await lan.onAll('lamportctl get year')) expect(value === '1970', value)
      for (const box of lan.boxes) await box.must('lamportctl lock -w 30 clock true')
      await attic.must('rm -r /etc/systemd/system/lamportd.service.d && systemctl daemon-reload')
      await attic.must('systemctl restart lamportd')
      await lan.together()
      return undefined
    },
  },
]

/** The monotonic clock is left alone: it goes on from boot to boot, whatever the year. */
const FAKE = `[Service]
Environment=LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1
Environment=FAKETIME="@1970-01-01 00:00:01" FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
`
