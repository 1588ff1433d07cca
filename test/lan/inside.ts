import { setTimeout as delay } from 'node:timers/promises'
import { ControlGroups } from './control-groups.ts'
import { disks } from './disks.ts'
import { keys } from './keys.ts'
import { Lan } from './lan.ts'
import { life } from './life.ts'
import { changes } from './changes.ts'
import type { Scenario } from './scenario.ts'

const [folder = '', base = '', group = '', ...rest] = process.argv.slice(2)
const packages = rest.filter(arg => arg.endsWith('.deb'))
const options = rest.filter(arg => arg.startsWith('--'))
/** Words of titles: only these scenarios, after the first two, on which all rest. */
const words = rest.filter(arg => !arg.endsWith('.deb') && !arg.startsWith('--'))
const FIRST = 2

process.exit(await main())

/** Boots them, and plays one scenario after the other. */
async function main(): Promise<number> {
  const lan = new Lan(folder, base, new ControlGroups(group), packages)
  const start = performance.now()
  await Promise.all(lan.boxes.map(box => box.boot()))
  process.stdout.write(`three boxes, after ${seconds(start)}\n`)
  let [passed, failed] = [0, 0]
  const all = [...life, ...disks, ...keys, ...changes]
  const isWanted = ({ title }: Scenario): boolean => words.some(word => title.includes(word))
  const chosen = all.filter(
    (scenario, at) => words.length === 0 || at < FIRST || isWanted(scenario),
  )
  for (const scenario of chosen) {
    if (await play(lan, scenario)) passed += 1
    else failed += 1
    // What comes later rests on what came before.
    if (failed > 0) break
  }
  if (options.includes('--stay')) await stay(lan)
  process.stdout.write(`LAN in a box: ${passed} passed, ${failed} failed, ${seconds(start)}\n`)
  return failed
}

async function play(lan: Lan, scenario: Scenario): Promise<boolean> {
  const { title } = scenario
  const start = performance.now()
  try {
    const seen = await scenario.run(lan)
    process.stdout.write(
      `ok ${title} (${seconds(start)}${seen === undefined ? '' : `; ${seen}`})\n`,
    )
    return true
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    process.stdout.write(`not ok ${title} (${seconds(start)})\n  ${reason}\n`)
    for (const box of lan.boxes) {
      process.stdout.write(`--- ${box.name}\n${await box.journal(25)}\n`)
    }
    return false
  }
}

/** For a look: nsenter leads into the boxes until Ctrl-C. */
async function stay(lan: Lan): Promise<void> {
  for (const box of lan.boxes)
    process.stdout.write(`${box.name}: nsenter -t ${box.leader} -a -r -w\n`)
  await delay(3_600_000)
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
