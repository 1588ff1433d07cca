// Runs many seeds of the simulator: `npm run sim -- --seeds 1..1000`. It alone in this folder knows
// a process and a terminal.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { run, type RunResult } from './runs.ts'
import { parseSimArguments, SIM_USAGE, simulatorFor, Tally, type SimArguments } from './seeds.ts'

const EX_USAGE = 64

/** Seeds that a thread takes at a time: few, so that all end together. */
const CHUNK = 4

/** A thread's answer to one seed; the last of its chunk asks for more. */
type Answer = { readonly result: RunResult; readonly isLast: boolean }

function work(options: SimArguments): void {
  const { hosts, rules, last } = options
  parentPort?.on('message', (first: number) => {
    const end = Math.min(first + CHUNK - 1, last)
    for (let seed = first; seed <= end; seed++) {
      const result = run(simulatorFor(options, seed), { seed, hosts, rules })
      parentPort?.postMessage({ result, isLast: seed === end } satisfies Answer)
    }
  })
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      mode: { type: 'string' },
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
  if ('mistake' in options) usage(options.mistake)
  else runAll(options)
}

function runAll(options: SimArguments): void {
  const tally = new Tally(options)
  console.log(tally.headline)
  const { first, last } = options
  let next = first
  let running = Math.min(availableParallelism(), Math.ceil((last - first + 1) / CHUNK))
  for (let i = running; i > 0; i--) {
    const worker = new Worker(new URL(import.meta.url), { workerData: options })
    const feed = (): void => {
      if (next > last) void worker.terminate()
      else worker.postMessage(next)
      next += CHUNK
    }
    worker.on('message', ({ result, isLast }: Answer) => {
      for (const line of tally.add(result)) console.log(line)
      if (isLast) feed()
    })
    worker.on('error', error => {
      tally.fail()
      console.error(error)
    })
    worker.on('exit', () => {
      running -= 1
      if (running > 0) return
      for (const line of tally.summary) console.log(line)
      process.exitCode = tally.isClean ? 0 : 1
    })
    feed()
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
} else work(workerData as SimArguments)
