import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { runScenario } from '../src/sim/transcript.ts'
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

test('every run that docs/algorithm.md tells is what really happens', t => {
  const real = played(document)
  if (process.env.UPDATE === '1') writeFileSync(url, real)
  else t.is(real, document)
  t.true([...document.matchAll(FENCE)].length >= 7)
  t.notRegex(real, /^error/m)
})

test('its numbers: six messages for one entry of three hosts, twelve for two', t => {
  t.regex(document, /^2 REQUEST \+ 2 REPLY \+ 2 RELEASE = 6 messages$/m)
  t.regex(document, /^4 REQUEST \+ 4 REPLY \+ 4 RELEASE = 12 messages$/m)
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
