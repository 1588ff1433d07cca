import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { runScenario } from '../src/sim/transcript.ts'
import { LAMPORTCTL } from './helpers/lamportctl.ts'
import { Mutexes } from './helpers/mutexes.ts'

// The source, not its build: UPDATE=1 rewrites it, and the difference is reviewed.
const url = new URL('../../docs/algorithm.md', import.meta.url)
const document = readFileSync(url, 'utf8')

/** Tokens are another story, and not told. */
function play(scenario: string): string {
  return runScenario(scenario + '\n')
    .replaceAll(/ token=\d+/g, '')
    .trimEnd()
}

/** What is told in one go: `scenario` begins one, and `scenario-on` goes on with it. */
const FENCE = /^```scenario(-on)?\n(.*?)\n```$/gms

/** The document with what really comes of each run that it tells. */
function played(text: string): string {
  let before = ''
  return text.replace(FENCE, (_, on: string | undefined, told: string) => {
    const whole = on === undefined ? told : `${before}\n\n${told}`
    const real = play(whole)
    const shown = on === undefined ? real : real.slice(before.length).trim()
    before = real
    return `\`\`\`scenario${on ?? ''}\n${shown}\n\`\`\``
  })
}

/** The document with what the commands print that it shows. */
function printed(text: string): string {
  return text.replace(/^```console\n\$ lamportctl (.*)\n[^`]*```$/gm, (_, line: string) => {
    const { stdout } = spawnSync(process.execPath, [LAMPORTCTL, ...line.split(' ')], {
      cwd: new URL('..', url),
      encoding: 'utf8',
    })
    return `\`\`\`console\n$ lamportctl ${line}\n${stdout}\`\`\``
  })
}

test('every run that docs/algorithm.md tells is what really happens', t => {
  const real = printed(played(document))
  if (process.env.UPDATE === '1') writeFileSync(url, real)
  else t.is(real, document)
  t.true([...document.matchAll(FENCE)].length >= 7)
  t.notRegex(real, /^error/m)
})

test('its numbers: six messages for one entry of three hosts, twelve for two; times as it says', t => {
  t.regex(document, /^2 REQUEST \+ 2 REPLY \+ 2 RELEASE = 6 messages$/m)
  t.regex(document, /^4 REQUEST \+ 4 REPLY \+ 4 RELEASE = 12 messages$/m)
  const drawn = /^```console\n(.*?)^```$/ms.exec(document)?.[1] ?? ''
  const ends = (type: string): number =>
    drawn.match(new RegExp(`(${type} .*▶|◀.*${type} )`, 'g'))?.length ?? 0
  t.deepEqual(['REQUEST', 'REPLY', 'RELEASE'].map(ends), [2, 2, 2])
  for (const stamp of ['REQUEST 3@1', 'REPLY 1@3', 'REPLY 2@3', 'RELEASE 3@6']) {
    t.true(drawn.includes(stamp), stamp)
  }
})

/** How many were inside the door at once, and how many entered it. */
function doorOf(told: string): { most: number; entries: number } {
  let [inside, most, entries] = [0, 0, 0]
  for (const [, verb] of told.matchAll(/^\d+ (enters|leaves) door/gm)) {
    inside += verb === 'enters' ? 1 : -1
    if (verb === 'enters') entries += 1
    most = Math.max(most, inside)
  }
  return { most, entries }
}

test('each run without a rule goes wrong, and with the rule it goes well', t => {
  const wrong = [...document.matchAll(FENCE)]
    .map(([, , told = '']) => told)
    .filter(told => told.startsWith('without '))
  const right = wrong.map(told => play(told.replace(/^without .*\n/, '')))
  const doors = wrong.map((told, at) => [doorOf(told), doorOf(right[at] ?? '')])
  t.deepEqual(doors, [
    // Two are inside, or the third never is; one at a time, and all three.
    [
      { most: 2, entries: 2 },
      { most: 1, entries: 1 },
    ],
    [
      { most: 2, entries: 2 },
      { most: 1, entries: 1 },
    ],
    [
      { most: 1, entries: 2 },
      { most: 1, entries: 3 },
    ],
    [
      { most: 2, entries: 2 },
      { most: 1, entries: 1 },
    ],
  ])
})

test('where a REPLY overtakes a REQUEST, two are inside', t => {
  const world = new Mutexes([1, 2])
  world.request(1, ['door'])
  const slow = world.channels.get('1>2')?.pop()
  world.request(2, ['door'])
  world.deliver(2, 1)
  world.deliver(1, 2)
  world.channels.get('1>2')?.push(slow!)
  world.deliver(1, 2)
  world.deliver(2, 1)
  t.is([...document.matchAll(/^```log\n(.*?)^```$/gms)][0]?.[1], world.log.join('\n') + '\n')
})
