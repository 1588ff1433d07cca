// Goes through every order of events in a small cluster: `npm run explore -- --hosts 2 --crashes 1`.
// Like `main.ts` it knows a process and a terminal.
import { parseArgs } from 'node:util'
import { RULES, type Rules } from '../core/rules.ts'
import { explore } from './explore.ts'

const EX_USAGE = 64

const USAGE = `usage: npm run explore -- [--hosts N] [--requests N] [--crashes N] [--stay-down]
                          [--timers N] [--states N] [--break RULE]
  --hosts 2        of one vote each, in a view that all know
  --requests 2     by clients for one lock, dealt out to the hosts in turn
  --crashes 1      in all; who crashed may come up again, but for --stay-down
  --timers 1       how often the timers of one host go off
  --states 200000  give up after so many different states
  --break RULE     switch a rule off: ${Object.keys(RULES).join(', ')}
It ends with 0 if every order was gone through and nothing was wrong, else with 1.`

function main(): void {
  const { values } = parseArgs({
    options: {
      hosts: { type: 'string', default: '2' },
      requests: { type: 'string', default: '2' },
      crashes: { type: 'string', default: '1' },
      'stay-down': { type: 'boolean', default: false },
      timers: { type: 'string', default: '1' },
      states: { type: 'string', default: '200000' },
      break: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return
  }
  const { hosts, requests, crashes, timers, states } = values
  for (const [name, text] of Object.entries({ hosts, requests, crashes, timers, states })) {
    if (!/^\d{1,9}$/.test(text)) {
      usage(`--${name} ${text}: not a number`)
      return
    }
  }
  if (Number(hosts) < 1 || Number(hosts) > 5) {
    usage(`--hosts ${hosts}: not a number from 1 to 5 (the states of more have no end)`)
    return
  }
  const broken = values.break
  if (broken !== undefined && !Object.hasOwn(RULES, broken)) {
    usage(`--break ${broken}: no such rule`)
    return
  }
  const rules: Rules = broken === undefined ? RULES : { ...RULES, [broken]: false }
  const bounds = {
    hosts: Number(hosts),
    requests: Number(requests),
    crashes: Number(crashes),
    restarts: !values['stay-down'],
    timers: Number(timers),
  }
  const { violation, isExhausted, ...result } = explore(bounds, rules, { states: Number(states) })
  if (violation !== undefined) {
    for (const step of violation.path) console.log(`  ${step}`)
    console.log(`explore: ${violation.text}`)
  }
  const end = isExhausted ? 'all that there are' : 'and there are more'
  console.log(
    `explore: ${result.states} states, ${end}; ways of up to ${result.depth} events; up to ` +
      `${result.served} of ${requests} clients served`,
  )
  process.exitCode = isExhausted ? 0 : 1
}

function usage(mistake: string): void {
  console.error(`explore: ${mistake}\n${USAGE}`)
  process.exitCode = EX_USAGE
}

try {
  main()
} catch (error) {
  // parseArgs throws a TypeError that quotes the wrong option.
  if (!(error instanceof TypeError)) throw error
  usage(error.message)
}
