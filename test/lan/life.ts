import { underLoad } from './load.ts'
import { waitFor } from './run.ts'
import { expect, expectGood } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/** Without a word, as from a script. */
export const INSTALL = 'apt-get -q -y -o Dpkg::Use-Pty=0 install'

/** What people do with a package, from the first day on. */
export const life: readonly Scenario[] = [
  {
    title:
      'apt installs the package; nothing runs, and a start without hosts.yml says what is missing',
    async run(lan) {
      await lan.onAll(`${INSTALL} ${lan.packages[0]} 2>&1`)
      await lan.onAll('! systemctl is-enabled lamportd && ! systemctl is-active lamportd')
      await lan.onAll('getent passwd lamport && systemd-analyze verify --man=no lamportd.service')
      const { kitchen } = lan
      await kitchen.run('systemctl start lamportd')
      const journal = await kitchen.journal()
      expect(/hosts\.yml cannot be read: it does not exist/.test(journal), journal)
      expect(
        !/Scheduled restart/.test(journal),
        `a wrong configuration was tried again:\n${journal}`,
      )
      const score = await kitchen.must('systemd-analyze security --no-pager lamportd | tail -1')
      const exposure = /: ([\d.]+)/.exec(score)?.[1] ?? ''
      expect(Number(exposure) <= 2, score)
      return `exposure ${exposure}`
    },
  },
  {
    title: 'hosts.yml and a key are copied, and enable --now is all there is to do',
    async run(lan) {
      const key = await lan.kitchen.must('lamportctl keygen')
      for (const box of lan.boxes) box.write('etc/lamportd/cluster.key', `${key}\n`)
      lan.copyHostsFile()
      await lan.onAll('chmod 600 /etc/lamportd/cluster.key')
      await lan.onAll('systemctl enable --now lamportd')
      await lan.together()
      for (const state of await lan.onAll(STATE)) {
        expect(state === 'root:lamport 640 lamport active', state)
      }
    },
  },
  {
    title: 'three boxes contend for a lock',
    run: async lan => {
      const enough = (): Promise<void> =>
        waitFor('30 entries', 60_000, () => lan.shared('entries').split('\n').length > 30)
      return expectGood(await underLoad(lan, enough))
    },
  },
  {
    title: 'a variable that is set on one box is the same on all',
    async run(lan) {
      await lan.kitchen.must('lamportctl set speed 12')
      const values = await lan.onAll('lamportctl get speed')
      expect(
        values.every(value => value === '12'),
        values.join(),
      )
    },
  },
  {
    title: 'a box reboots while the others go on, and is back by itself',
    run: async lan => {
      const result = await underLoad(lan, async () => {
        await lan.attic.reboot()
        await lan.together()
      }, [lan.kitchen, lan.garage])
      expect((await lan.attic.must('lamportctl get speed')) === '12', 'the variable is there')
      return expectGood(result)
    },
  },
  {
    title: 'the power of all boxes fails: what was promised is there when they are back',
    async run(lan) {
      const before = await tokenOf(lan.kitchen)
      await lan.garage.must('lamportctl set speed 13')
      await Promise.all(lan.boxes.map(box => box.powerCut()))
      await Promise.all(lan.boxes.map(box => box.boot()))
      await lan.together()
      const values = await lan.onAll('lamportctl get speed')
      expect(
        values.every(value => value === '13'),
        values.join(),
      )
      const after = await tokenOf(lan.attic)
      expect(after > before, `token ${after} after ${before}`)
      return `token ${before}, then ${after}`
    },
  },
  {
    title: 'the package is upgraded on one box after the other, under load',
    run: async lan => {
      const result = await underLoad(lan, async () => {
        for (const box of lan.boxes) {
          const before = await box.must(MAIN_PID)
          await box.must(`${INSTALL} ${lan.packages[1]} 2>&1`)
          expect((await box.must(MAIN_PID)) !== before, `${box.name} runs what it ran before`)
          await lan.together()
        }
      })
      await lan.onAll('dpkg-query -W -f "\\${Version}" lamportd | grep lan2')
      return expectGood(result)
    },
  },
]

const STATE =
  'echo $(stat -c %U:%G\\ %a /etc/lamportd/cluster.key) ' +
  '$(stat -c %U /run/lamportd/control.sock) $(systemctl is-active lamportd)'

const MAIN_PID = 'systemctl show -P MainPID lamportd'

async function tokenOf(box: { must(line: string): Promise<string> }): Promise<number> {
  return Number(await box.must(`lamportctl lock -w 30 token sh -c 'echo $LAMPORT_LOCK_TOKEN'`))
}
