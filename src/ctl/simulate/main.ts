import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { FAULTLESS, type LinkOptions } from '../../sim/network.ts'
import { Trial } from '../../sim/trial.ts'
import type { Use } from '../../sim/uses.ts'
import type { TrialResult } from '../../sim/verdict.ts'
import type { Options } from '../arguments.ts'
import { usageError } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, Notes, print, printBytes } from '../output.ts'
import { hasColours } from '../table.ts'
import { parseAsked, type Asked } from './asked.ts'
import { pictureOf } from './picture.ts'
import { RealTrial, TrialError } from './processes.ts'
import { ProgressLine } from './progress.ts'
import { headline, reportOf, type Datagrams } from './report.ts'

/** A run, simulated or real. */
type Ran = {
  readonly result: TrialResult
  readonly uses: readonly Use[]
  readonly killed: ReadonlyMap<number, number>
  readonly datagrams: Datagrams | undefined
}

/** A file that cannot be written, in words. */
class WriteError extends Error {}

/** How a simulated network treats what is late: long enough for whole conversations to overtake. */
const LATE_MS = 50
/** A datagram arrives up to five times. */
const COPIES_MORE = 4

/** Runs it, says how it was, and gives the exit code. */
export async function simulate(options: Options, operands: readonly string[]): Promise<number> {
  const asked = parseAsked(options, operands)
  if (typeof asked === 'string') return usageError('simulate', asked)
  const progress = new ProgressLine(isatty(2) ? new Notes() : undefined)
  try {
    const ran = asked.isReal ? await runReal(asked, progress) : await runSimulated(asked, progress)
    if (typeof ran === 'number') return ran
    await progress.end()
    publish(asked, ran)
    return ran.result.verdict.passed ? Exit.done : Exit.differs
  } catch (error) {
    await progress.end()
    if (error instanceof WriteError) {
      complain(error.message)
      return Exit.output
    }
    if (!(error instanceof TrialError)) throw error
    complain(error.message)
    return Exit.unavailable
  }
}

async function runSimulated(asked: Asked, progress: ProgressLine): Promise<Ran> {
  const { hosts, entries, seed, hold: holdMs, kills, trace } = asked
  const link: LinkOptions = {
    ...FAULTLESS,
    delayMs: asked.delay,
    loss: asked.loss,
    duplicate: asked.duplicate,
    duplicatesMax: COPIES_MORE,
    late: asked.reorder,
    lateMs: LATE_MS,
  }
  const file = trace === undefined ? undefined : new LineFile(trace)
  const trial = new Trial(
    { hosts, entries, seed, holdMs, kills, link },
    file && (line => file.add(JSON.stringify(line))),
  )
  // A turn between slices, so that a signal is heard.
  for (;;) {
    const isOver = !trial.step()
    const { phase, entries: done, expected } = trial.progress
    progress.show(phase === 'connecting' ? 'the hosts come together' : undefined, done, expected)
    if (isOver) break
    await turn()
  }
  file?.end()
  const { result, uses, killed, network: datagrams } = trial
  return { result, uses, killed, datagrams }
}

/** A number: a signal has ended it, and this is the exit code. */
async function runReal(asked: Asked, progress: ProgressLine): Promise<Ran | number> {
  const trial = new RealTrial(asked, (what, done, expected) => progress.show(what, done, expected))
  try {
    const outcome = await trial.run()
    return typeof outcome === 'number' ? outcome : { ...outcome, datagrams: undefined }
  } finally {
    await trial.end()
  }
}

/** Files first; the report is for people, where stdout is not taken. */
function publish(asked: Asked, { result, uses, killed, datagrams }: Ran): void {
  const { json, svg, trace } = asked
  if (json !== undefined) {
    const { hosts, entries, seed, loss, duplicate, reorder, delay, hold, kills, isReal } = asked
    const times = { delayMs: delay, holdMs: hold, kills }
    const chances = { seed, loss, duplicate, reorder }
    const network = isReal ? {} : { ...chances, delayMs: delay, datagrams }
    const setting = { hosts, entries, holdMs: times.holdMs, kills, processes: isReal, ...network }
    writeOut(json, `${JSON.stringify({ ...result, setting })}\n`)
  }
  if (svg !== undefined)
    writeOut(
      svg,
      pictureOf({ title: headline(asked), entries: asked.entries, result, uses, killed }),
    )
  if ([json, svg, trace].includes('-')) return
  print(reportOf(asked, result, datagrams, hasColours(1)))
}

function writeOut(path: string, text: string): void {
  if (path === '-') printBytes(Buffer.from(text))
  else attempt(path, () => writeFileSync(path, text))
}

/** Lines that may be many: some thousand at a time. */
class LineFile {
  readonly #path: string
  readonly #descriptor: number | undefined
  #lines: string[] = []

  constructor(path: string) {
    this.#path = path
    this.#descriptor = path === '-' ? undefined : attempt(path, () => openSync(path, 'w'))
  }

  add(line: string): void {
    if (this.#lines.push(line) >= 4096) this.#flush()
  }

  end(): void {
    this.#flush()
    const descriptor = this.#descriptor
    if (descriptor !== undefined) attempt(this.#path, () => closeSync(descriptor))
  }

  #flush(): void {
    if (this.#lines.length === 0) return
    const bytes = Buffer.from(this.#lines.join('\n') + '\n')
    this.#lines = []
    const descriptor = this.#descriptor
    if (descriptor === undefined) printBytes(bytes)
    else
      attempt(this.#path, () => {
        for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
      })
  }
}

function attempt<T>(path: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new WriteError(
      `${path} cannot be written: ${code} (is its folder there, and room on the disk?)`,
    )
  }
}
