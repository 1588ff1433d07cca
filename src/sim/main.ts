// Runs many seeds of the simulator: `npm run sim -- --seeds 1..1000`. It alone in this folder knows
// a process and a terminal.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { parseSimArguments, SIM_USAGE, Tally, type SimArguments } from './seeds.ts'
import { runSeed, type SeedResult } from './swarm.ts'

const EX_USAGE = 64

type Share = { readonly options: SimArguments; readonly first: number; readonly step: number }

/** One thread's seeds: each result goes to the main thread as soon as it is there. */
function work({ options, first, step }: Share): void {
  const { hosts, rules } = options
  for (let seed = first; seed <= options.last; seed += step)
    parentPort?.postMessage(runSeed({ seed, hosts, rules }))
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      hosts: { type: 'string' },
      break: { type: 'string' },
      verbose: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(SIM_USAGE)
    return
  }
  const options = parseSimArguments(values)
  if ('mistake' in options) {
    usage(options.mistake)
    return
  }
  const tally = new Tally(options)
  console.log(tally.headline)
  const threads = Math.min(availableParallelism(), options.last - options.first + 1)
  let running = threads
  for (let i = 0; i < threads; i++) {
    const share: Share = { options, first: options.first + i, step: threads }
    const worker = new Worker(new URL(import.meta.url), { workerData: share })
    worker.on('message', (result: SeedResult) => {
      for (const line of tally.add(result)) console.log(line)
    })
    worker.on('error', error => {
      tally.fail()
      console.error(error)
    })
    worker.on('exit', () => {
      running -= 1
      if (running > 0) return
      console.log(tally.summary)
      process.exitCode = tally.isClean ? 0 : 1
    })
  }
}

function usage(mistake: string): void {
  console.error(`sim: ${mistake}\n${SIM_USAGE}`)
  process.exitCode = EX_USAGE
}

if (isMainThread) {
  try {
    main()
  } catch (error) {
    // parseArgs throws a TypeError that quotes the wrong option.
    if (!(error instanceof TypeError)) throw error
    usage(error.message)
  }
} else work(workerData as Share)
