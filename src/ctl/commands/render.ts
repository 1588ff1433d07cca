import { LamportError } from '../../client/client.ts'
import { checkName } from '../../control/names.ts'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { Interrupted, Signals } from '../lock/signals.ts'
import { complain, print, printJson } from '../output.ts'
import type { Entry } from '../variables/access.ts'
import { follow, pause } from '../variables/follow.ts'
import { diedOf } from '../variables/interrupted.ts'
import { withVariables } from '../variables/line.ts'
import { Rendering, type Plan, type Rendered } from '../variables/rendering.ts'

/** Variables that change together are written one after the other. */
const SETTLE_MS = 100

/** How soon a lock that was not to be had is asked for again. */
const AGAIN_MS = 1000

const SPEC: CommandSpec = {
  name: 'render',
  operands: ['file', 'file'],
  usage: ['render TEMPLATE DEST [OPTION...]'],
  summary:
    'Writes DEST from a mustache template filled with variables, now and whenever they change. ' +
    'Where the result is the same as before nothing is written, and nothing run.',
  options: {
    once: { type: 'flag', describe: 'render once, and exit with the outcome' },
    prefix: { type: 'text', value: 'P', describe: 'only names that begin with P; it is taken off' },
    check: {
      type: 'text',
      value: 'CMD',
      describe:
        'a line of shell that looks at the new file, $LAMPORT_RENDERED or {}; if it fails, DEST stays',
    },
    reload: { type: 'text', value: 'CMD', describe: 'a line of shell, after DEST was replaced' },
    lock: {
      type: 'text',
      value: 'NAME',
      describe: 'check, replace and reload under this lock: one host at a time',
    },
  },
  examples: [
    ['lamportctl render app.conf.mustache /etc/app.conf --reload "systemctl reload app"', ''],
    ["lamportctl render t /etc/nginx/nginx.conf --check 'nginx -t -c {}' --lock nginx", ''],
    ['lamportctl render motd.mustache /etc/motd --once', 'in a script'],
  ],
  notes:
    'In the template {{fan/speed}} and {{fan.speed}} are the variable fan/speed (of names with dots ' +
    'the exact one comes first); nothing is escaped. {{#fan.speed}}…{{.}}…{{/fan.speed}} is shown ' +
    'where it is set and not empty, {{^fan.speed}}…{{/fan.speed}} where it is not. In ' +
    '{{#fan}}{{speed}}{{/fan}} names are looked up below fan/ first. A variable outside of all ' +
    'sections that is not set is an error, and DEST stays as it was. No partials.\n\n' +
    'DEST is replaced from one moment to the next; it keeps owner and mode, and where it is a ' +
    'symbolic link, what it leads to is replaced. The template is read anew each time.\n\n' +
    'Without --once only a template that is wrong ' +
    'at the beginning ends it; everything else is told on stderr, and the next change tries again.',
  exits: [
    ['1', 'a variable is not set, or --check or --reload failed'],
    ['65', 'the template is wrong'],
    ['74', 'a file cannot be read or written'],
  ],
  order: 'anywhere',
}

/** Keep a file filled. */
export const render: Command = command(SPEC, async (options, operands) => {
  const [template, destination, ...more] = operands
  if (template === undefined || destination === undefined || more.length > 0) {
    return usageError('render', 'render takes a TEMPLATE and a DEST')
  }
  const lock = options.text('lock')
  const problem = lock === undefined ? undefined : checkName(lock)
  if (problem !== undefined) return usageError('render', problem)
  const signals = new Signals()
  const signal = signals.interrupted
  const [check, reload, socket] = ['check', 'reload', 'socket'].map(name => options.text(name))
  const plan: Plan = { template, destination, check, reload, lock, socket, signal }
  const rendering = new Rendering(plan)
  signal.addEventListener('abort', () => {
    const reason: unknown = signal.reason
    if (reason instanceof Interrupted) rendering.forward(reason.signal)
  })
  const prefix = options.text('prefix') ?? ''
  const keeper = new Keeper(rendering, plan, prefix, options)
  const code = options.flag('once') ? await keeper.once() : await keeper.keep()
  return signal.aborted ? diedOf(signal) : code
})

class Keeper {
  readonly #rendering: Rendering
  readonly #plan: Plan
  readonly #prefix: string
  readonly #options: Options
  /** By name, without the prefix. */
  readonly #values = new Map<string, Buffer>()
  /** What was said last: saying it again would say nothing. */
  #complaint: string | undefined

  constructor(rendering: Rendering, plan: Plan, prefix: string, options: Options) {
    this.#rendering = rendering
    this.#plan = plan
    this.#prefix = prefix
    this.#options = options
  }

  async once(): Promise<number> {
    const list = await withVariables(this.#options, variables => variables.list(this.#prefix, true))
    this.#take(list)
    return this.#told(await this.#render())
  }

  async keep(): Promise<number> {
    const { signal, socket } = this.#plan
    const stop = new AbortController()
    const either = AbortSignal.any([signal, stop.signal])
    let hasBegun = false
    let code: number = Exit.done
    let isDue = false
    let work: Promise<void> | undefined
    const begin = async (): Promise<void> => {
      while (isDue && !signal.aborted) {
        if (hasBegun) await pause(SETTLE_MS, signal)
        isDue = false
        const told = this.#told(await this.#render())
        if (!hasBegun && told === Exit.data) {
          code = told
          stop.abort()
        }
        hasBegun = true
        if (told !== Exit.unavailable) continue
        await pause(AGAIN_MS, signal)
        isDue = true
      }
      work = undefined
    }
    const options = { socket, signal: either }
    for await (const changes of follow({ prefix: this.#prefix }, options)) {
      this.#take(changes)
      isDue = true
      work ??= begin()
    }
    await work
    return code
  }

  #take(entries: readonly Entry[]): void {
    for (const { name, bytes } of entries) {
      const short = name.slice(this.#prefix.length)
      if (bytes === undefined) this.#values.delete(short)
      else this.#values.set(short, bytes)
    }
  }

  async #render(): Promise<Rendered> {
    try {
      return await this.#rendering.run(() => this.#values)
    } catch (error) {
      if (this.#plan.signal.aborted) return { type: 'unchanged' }
      if (!(error instanceof LamportError) || this.#options.flag('once')) throw error
      // Of the lock: it is asked for again.
      return { type: 'failed', code: Exit.unavailable, message: error.message }
    }
  }

  /** Says what became of it, and gives the exit code. */
  #told(rendered: Rendered): number {
    const file = this.#plan.destination
    const message = rendered.type === 'failed' ? rendered.message : undefined
    const isNews = message !== this.#complaint
    this.#complaint = message
    if (message !== undefined && isNews) complain(message)
    if (this.#options.flag('json')) printJson({ file, ...rendered })
    else if (rendered.type === 'replaced') print(`${file} replaced`)
    return rendered.type === 'failed' ? rendered.code : Exit.done
  }
}
