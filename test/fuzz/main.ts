// Throws random and mutated input at everything that takes bytes from strangers:
// `npm run fuzz -- --count 10000000 --target stranger`.
import { parseArgs } from 'node:util'

import { Coverage } from './coverage.ts'
import type { Outcome } from './engine.ts'

// Before anything that is measured is loaded.
const coverage = new Coverage()
const { run } = await import('./engine.ts')
const { TARGETS } = await import('./targets.ts')

const USAGE = `npm run fuzz -- [--count N] [--seed S] [--target NAME] [--unguided]
  targets: ${Object.keys(TARGETS).join(', ')}; without --target all of them, N inputs each
  --unguided  do not measure coverage: faster, and no input is kept for what it reached`

function main(): void {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
      unguided: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  })
  const names = values.target === undefined ? Object.keys(TARGETS) : [values.target]
  const [count, seed] = [Number(values.count), Number(values.seed)]
  const isWrong = !(count >= 1) || !Number.isSafeInteger(seed) || names.some(n => !(n in TARGETS))
  if (values.help === true || isWrong) {
    console.log(USAGE)
    process.exitCode = values.help === true ? 0 : 64
    return
  }
  for (const name of names) {
    const make = TARGETS[name]
    if (make === undefined) continue
    const outcome = run(make(), { count, seed, ...(values.unguided ? {} : { coverage }) })
    report(outcome)
    if (outcome.failure !== undefined) process.exitCode = 1
  }
}

function report({ target, failure, ...outcome }: Outcome): void {
  const { inputs, seconds, kept, slowest, coverage } = outcome
  const [before, after] = outcome.heap.map(bytes => (bytes / 1024 / 1024).toFixed(2))
  const rate = Math.round(inputs / seconds)
  console.log(
    `${target}: ${inputs} inputs in ${seconds.toFixed(1)} s (${rate}/s), heap ${before} -> ${after} MiB, ` +
      `slowest ${slowest.toFixed(1)} ms, ${kept} kept for what they reached`,
  )
  const files = coverage.map(({ file, share }) => `${file} ${(100 * share).toFixed(1)} %`)
  if (files.length > 0) console.log(`  code run: ${files.join(', ')}`)
  if (failure === undefined) return
  console.log(`  FAILED at input ${failure.input}: ${failure.text}`)
  console.log(`  input: ${Buffer.from(failure.bytes).toString('hex')}`)
}

main()
