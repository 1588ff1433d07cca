import type { CommandSpec } from '../arguments.ts'
import { command, type Command } from '../command.ts'

const SPEC: CommandSpec = {
  name: 'simulate',
  usage: ['simulate [--hosts N] [--entries M] [OPTION...]'],
  summary:
    'Runs N hosts that each enter one critical section M times, by the very code of lamportd, in a ' +
    'simulated network with any fault. Says who entered when, how many messages it took and how long ' +
    'each waited, and gives a verdict: safety, liveness, fairness.',
  options: {
    hosts: {
      type: 'text',
      value: 'N',
      describe: 'how many, up to 100 (else 5); their ids are 1 to N',
    },
    entries: { type: 'text', value: 'M', describe: 'how often each of them enters (else 1)' },
    hold: { type: 'text', value: 'D', describe: 'how long each stays inside (else 1ms)' },
    seed: {
      type: 'text',
      value: 'S',
      describe: 'decides all chance; the same seed is the same run (else 1)',
    },
    loss: { type: 'text', value: 'P', describe: 'the chance that a datagram is lost: 0.2 or 20%' },
    duplicate: {
      type: 'text',
      value: 'P',
      describe: 'that it arrives more than once, up to 5 times',
    },
    reorder: { type: 'text', value: 'P', describe: 'that later ones overtake it' },
    delay: { type: 'text', value: 'D', describe: 'how long a datagram is under way (else 0.2ms)' },
    kill: {
      type: 'list',
      value: 'HOST@TIME',
      describe: 'this host dies for good, so long after the start; several times for several',
    },
    json: { type: 'text', value: 'FILE', describe: 'write the result as JSON (- is stdout)' },
    svg: {
      type: 'text',
      value: 'FILE',
      describe: 'draw who was inside when, and how long each waited',
    },
    trace: {
      type: 'text',
      value: 'FILE',
      describe: 'write every event, a line of JSON each, for lamportctl diagram',
    },
    processes: {
      type: 'flag',
      describe:
        'with real lamportd processes on this machine, up to 16, instead of simulated hosts',
    },
  },
  isOffline: true,
  examples: [
    ['lamportctl simulate', 'five hosts, one entry each: 12 messages a host, 60 in all'],
    ['lamportctl simulate --hosts 5 --entries 300 --svg run.svg', 'and a picture of it'],
    ['lamportctl simulate --entries 10 --loss 50% --duplicate 0.3', 'a bad network'],
    ['lamportctl simulate --entries 10 --hold 100ms --kill 3@2s', 'host 3 dies'],
    ['lamportctl simulate --hosts 3 --trace run.jsonl', 'for lamportctl diagram run.jsonl'],
    ['lamportctl simulate --processes --entries 20', 'the same with real daemons'],
  ],
  notes:
    'The hosts come together first; then the clock is set to zero, faults begin, and all ask at once. ' +
    'Counted are REQUEST, REPLY and RELEASE: 3(N-1) an entry. Times are simulated, but for --processes. ' +
    'A verdict is PASS only if each host that was not killed has entered M times, never two at once, in ' +
    'the order of their requests, and none at the expense of the others (by the index of Jain). ' +
    'docs/simulate.md explains the result.',
  exits: [['1', 'the verdict is FAIL']],
  order: 'anywhere',
  operands: [],
}

const read = command(SPEC, async (options, operands) => {
  // Nothing else of lamportctl needs the simulator.
  const { simulate: run } = await import('../simulate/main.ts')
  return run(options, operands)
})

/** Run hosts in the simulator. */
export const simulate: Command = {
  spec: SPEC,
  // The common --json that stands before the command has no file: it is stdout.
  run: args => {
    const [first, second = '--'] = args
    const isCommon = first === '--json' && second.startsWith('--')
    return read.run(isCommon ? ['--json=-', ...args.slice(1)] : args)
  },
}
