import { constants } from 'node:os'
import { checkNames } from '../../control/names.ts'
import { INFO_BYTES_MAX, type LockMode } from '../../control/protocol.ts'
import type { Options } from '../arguments.ts'
import { Exit } from '../exit.ts'

/** What one line of `lamportctl lock` asks for. */
export type LockPlan = {
  readonly names: readonly string[]
  readonly mode: LockMode
  /** Given with mode `count`. */
  readonly count: number | undefined
  /** `undefined`: for ever. */
  readonly waitMs: number | undefined
  /** What to exit with where the lock was not acquired. */
  readonly conflictCode: number
  readonly connectWaitMs: number
  /** Absent: hold until stdin ends. */
  readonly command: readonly [file: string, ...args: string[]] | undefined
  readonly hasAnchor: boolean
  /** `undefined`: a quarter of the lease. */
  readonly graceMs: number | undefined
  readonly killSignal: NodeJS.Signals
  readonly onLost: 'stop' | 'warn'
  readonly lostCode: number
  readonly minHoldMs: number
  readonly why: string | undefined
  readonly isVerbose: boolean
  readonly isJson: boolean
}

/** Beside it `locks` on every host shows pid, user and command. */
const WHY_BYTES_MAX = INFO_BYTES_MAX / 2

type Problem = { readonly problem: string }

/** Takes what is wrong with one part of the line; the first one is told. */
type Report = (problem: string) => void

/** The plan, or what cannot be meant. */
export function planLock(options: Options, operands: readonly string[]): LockPlan | Problem {
  const problems: string[] = []
  const report = (problem: string): void => void problems.push(problem)
  const [name, ...rest] = operands
  if (name === undefined) return { problem: 'no NAME is given' }
  const names = [name, ...options.list('and')]
  const wrong = checkNames(names) ?? checkChoices(options)
  if (wrong !== undefined) report(wrong)
  const waitMs = secondsOf(options, 'wait', report)
  const plan: LockPlan = {
    names,
    ...modeOf(options, report),
    waitMs: options.flag('nonblock') ? 0 : waitMs,
    conflictCode: codeOf(options, 'conflict-exit-code', report) ?? Exit.notAcquired,
    connectWaitMs: secondsOf(options, 'connect-wait', report) ?? 0,
    command: commandOf(rest, report),
    hasAnchor: !options.flag('close'),
    graceMs: secondsOf(options, 'grace', report),
    killSignal: signalOf(options.text('kill-signal') ?? 'SIGTERM', report) ?? 'SIGTERM',
    onLost: options.text('on-lost') === 'warn' ? 'warn' : 'stop',
    lostCode: codeOf(options, 'lost-code', report) ?? Exit.lost,
    minHoldMs: secondsOf(options, 'min-hold', report) ?? 0,
    why: options.text('why'),
    isVerbose: options.flag('verbose'),
    isJson: options.flag('json'),
  }
  const [problem] = problems
  return problem === undefined ? plan : { problem }
}

/** For `locks`, on one line, as long as there is room beside the rest of the info. */
export function commandLabel(plan: LockPlan, user: string | undefined): string | undefined {
  if (plan.command === undefined) return undefined
  const taken = Buffer.byteLength(`${process.pid}${user ?? ''}${plan.why ?? ''}`)
  const label = plan.command.join(' ').replace(/\p{Cc}+/gu, ' ')
  return cutToBytes(label, INFO_BYTES_MAX - taken)
}

function cutToBytes(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text
  let cut = ''
  let bytes = Buffer.byteLength('…')
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > bytesMax) break
    cut += character
  }
  return `${cut}…`
}

function checkChoices(options: Options): string | undefined {
  const modes = [
    options.flag('shared') ? '-s' : undefined,
    options.flag('exclusive') ? '-x' : undefined,
    options.text('count') === undefined ? undefined : '--count',
  ].filter(given => given !== undefined)
  if (modes.length > 1) return `${modes.join(' and ')} exclude each other (choose one)`
  if (options.flag('nonblock') && options.text('wait') !== undefined) {
    return '-n and -w exclude each other (-n does not wait; choose one)'
  }
  if (Buffer.byteLength(options.text('why') ?? '') > WHY_BYTES_MAX) {
    return `--why has more than ${WHY_BYTES_MAX} bytes (say less)`
  }
  const onLost = options.text('on-lost')
  if (onLost === undefined || onLost === 'stop' || onLost === 'warn') return undefined
  return `--on-lost is stop or warn, not ${JSON.stringify(onLost)}`
}

type Mode = Pick<LockPlan, 'mode' | 'count'>

function modeOf(options: Options, report: Report): Mode {
  if (options.flag('shared')) return { mode: 'shared', count: undefined }
  const text = options.text('count')
  if (text === undefined) return { mode: 'exclusive', count: undefined }
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count < 1) report(`--count is a number of at least 1, not ${JSON.stringify(text)}`)
  return { mode: 'count', count }
}

/** flock(1) takes fractions; so do we. */
function secondsOf(options: Options, name: string, report: Report): number | undefined {
  const text = options.text(name)
  if (text === undefined) return undefined
  if (/^(\d{1,9}(\.\d*)?|\.\d+)$/.test(text)) return Number(text) * 1000
  const form = 'a number of seconds, such as 5 or 0.5'
  report(`--${name} is ${form}, not ${JSON.stringify(text)}`)
  return undefined
}

function codeOf(options: Options, name: string, report: Report): number | undefined {
  const text = options.text(name)
  if (text === undefined) return undefined
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text)
  report(`--${name} is an exit code from 0 to 255, not ${JSON.stringify(text)}`)
  return undefined
}

function signalOf(text: string, report: Report): NodeJS.Signals | undefined {
  const upper = text.toUpperCase()
  for (const [name, number] of Object.entries(constants.signals)) {
    if (upper !== name && `SIG${upper}` !== name && text !== String(number)) continue
    if (isSignal(name)) return name
  }
  report(`--kill-signal is a signal such as TERM or INT, not ${JSON.stringify(text)}`)
  return undefined
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}

/** `COMMAND ARG...`, `-- COMMAND ARG...`, `-c SHELL`, or nothing. */
function commandOf(rest: readonly string[], report: Report): LockPlan['command'] {
  const [first, ...others] = rest
  if (first === undefined) return undefined
  if (first === '-c' || first === '--command') {
    const [shell, ...more] = others
    if (shell !== undefined && more.length === 0) return ['/bin/sh', '-c', shell]
    report(`${first} takes exactly one argument, a line for the shell (quote it)`)
    return undefined
  }
  const [file, ...args] = first === '--' ? others : rest
  if (file !== undefined && file !== '') return [file, ...args]
  report(file === '' ? 'the COMMAND is empty' : 'no COMMAND follows -- (or leave the -- out)')
  return undefined
}
