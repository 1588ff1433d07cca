import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { Signals } from '../lock/signals.ts'
import { complain, stream } from '../output.ts'
import { Appender } from '../variables/appender.ts'
import { Keyboard, splitAtCharacter } from '../variables/edits.ts'
import { follow } from '../variables/follow.ts'
import { diedOf } from '../variables/interrupted.ts'
import { oneName } from '../variables/line.ts'
import { RawTerminal } from '../variables/raw-terminal.ts'
import { Screen } from '../variables/screen.ts'
import { escaped } from '../variables/show.ts'
import type { Entry } from '../variables/access.ts'

/** How long what was typed last may take to be written, once the end has been asked for. */
const FAREWELL_MS = 5000

/** Edit one variable on all hosts at once. */
export const share: Command = command(
  {
    name: 'share',
    operands: ['variable'],
    usage: ['share NAME'],
    summary:
      'Edits one variable in the terminals of all hosts at once: what is typed on any of them goes to ' +
      'its end, Backspace takes its last character, and all show each new value as it comes.',
    options: {},
    examples: [
      ['lamportctl share motd', 'on two hosts; Ctrl-C or Ctrl-D ends it'],
      ['date | lamportctl share log', 'appends what comes on stdin, and prints each new value'],
    ],
    notes:
      'Enter is a newline; keys without a meaning here, such as arrows, do nothing. Control ' +
      'characters are shown as \\n and the like, a backslash as two, and of a long value its end. What is typed without a ' +
      'majority of hosts is written when there is one again. Where stdin is no terminal, each new ' +
      'value is printed on a line, and the end of stdin ends it once all is written.',
    exits: [['1', 'not all was written: the value would have had more than 64 KiB']],
    order: 'anywhere',
  },
  async (options, operands) => {
    const named = oneName('share', operands)
    if ('problem' in named) return usageError('share', named.problem)
    const isTerminal = process.stdin.isTTY && process.stdout.isTTY
    const session = new Session(named.name, options.text('socket'), isTerminal)
    return session.run()
  },
)

class Session {
  readonly #name: string
  readonly #socket: string | undefined
  readonly #screen: Screen | undefined
  readonly #terminal: RawTerminal | undefined
  readonly #signals = new Signals()
  /** Nothing more will be typed. */
  readonly #over = new AbortController()
  readonly #appender: Appender
  #isFarewell = false
  #note: string | undefined
  /** Of a pipe: the beginning of a character. */
  #rest: Buffer = Buffer.alloc(0)

  constructor(name: string, socket: string | undefined, isTerminal: boolean) {
    this.#name = name
    this.#socket = socket
    this.#screen = isTerminal ? new Screen(name) : undefined
    this.#terminal = isTerminal ? new RawTerminal(() => this.#screen?.draw()) : undefined
    this.#appender = new Appender({
      name,
      socket,
      signal: this.#over.signal,
      changed: entry => this.#show(entry),
      told: message => this.#tell(message),
    })
  }

  async run(): Promise<number> {
    const interrupted = this.#signals.interrupted
    interrupted.addEventListener('abort', () => this.#over.abort())
    try {
      let hasBegun = false
      const options = { socket: this.#socket, signal: this.#over.signal }
      for await (const changes of follow({ name: this.#name }, options)) {
        for (const change of changes) this.#appender.seen(change)
        if (!hasBegun) this.#listen()
        hasBegun = true
      }
      await this.#appender.end()
    } finally {
      this.#terminal?.restore()
      this.#screen?.end()
    }
    if (this.#appender.isBehind) {
      const last = `what was typed last may not be in ${this.#name}`
      complain(`${last} (lamportctl get ${this.#name}; lamportctl status)`)
      if (!interrupted.aborted) return Exit.unavailable
    }
    const isCut = this.#screen === undefined && this.#appender.hasLeftOut
    return isCut && !interrupted.aborted ? Exit.notAcquired : diedOf(interrupted)
  }

  #listen(): void {
    const keyboard = this.#terminal === undefined ? undefined : new Keyboard()
    this.#terminal?.begin()
    process.stdin.on('data', (chunk: Buffer) => {
      if (this.#isFarewell) {
        // A second time: at once.
        if (chunk.includes(3) && keyboard !== undefined) this.#over.abort()
        return
      }
      if (keyboard === undefined) {
        const [whole, rest] = splitAtCharacter(Buffer.concat([this.#rest, chunk]))
        this.#rest = rest
        this.#append(whole)
        return
      }
      const { edits, isEnd } = keyboard.read(chunk)
      this.#appender.type(edits)
      if (isEnd) void this.#finish()
    })
    for (const event of ['end', 'close', 'error'])
      process.stdin.on(event, () => void this.#finish())
  }

  /** What was typed is written first; after a while, or by a signal, it is given up. */
  async #finish(): Promise<void> {
    if (this.#isFarewell) return
    this.#isFarewell = true
    this.#append(this.#rest)
    const timer = setTimeout(() => this.#over.abort(), FAREWELL_MS)
    await this.#appender.written()
    clearTimeout(timer)
    this.#over.abort()
  }

  #append(bytes: Buffer): void {
    if (bytes.length > 0) this.#appender.type([{ type: 'append', bytes }])
  }

  #show(entry: Entry): void {
    if (this.#screen !== undefined) this.#screen.show(entry)
    else if (entry.bytes !== undefined) stream(`${escaped(entry.bytes)}\n`)
  }

  #tell(message: string | undefined): void {
    if (message === this.#note) return
    this.#note = message
    if (this.#screen !== undefined) this.#screen.note(message)
    else if (message !== undefined) complain(message)
  }
}
