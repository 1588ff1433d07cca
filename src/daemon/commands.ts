import type { Command, CommandId, Input, Response } from '../node.ts'

/** Who waits for the answer to a command. */
export type Asker = {
  respond(response: Response): void
  /** How many precede what it asked for has changed. */
  queued?(position: number): void
}

/** The commands that the node has not answered yet, whoever gave them. */
export class Commands {
  readonly #drive: (input: Input) => void
  readonly #askers = new Map<CommandId, Asker>()
  #last: CommandId = 0

  constructor(drive: (input: Input) => void) {
    this.#drive = drive
  }

  /** An id for one command: whoever needs it has it before the answer, which may come at once. */
  expect(asker: Asker): CommandId {
    this.#last += 1
    this.#askers.set(this.#last, asker)
    return this.#last
  }

  /** The command that an id was had for. */
  give(id: CommandId, command: Command): void {
    this.#drive({ type: 'command', id, command })
  }

  ask(command: Command, respond: (response: Response) => void): void {
    this.give(this.expect({ respond }), command)
  }

  cancel(id: CommandId): void {
    this.#drive({ type: 'cancel', id })
  }

  respond(id: CommandId, response: Response): void {
    const asker = this.#askers.get(id)
    this.#askers.delete(id)
    // A cancel may cross the grant that it would have prevented: that was answered already.
    asker?.respond(response)
  }

  queued(id: CommandId, position: number): void {
    this.#askers.get(id)?.queued?.(position)
  }
}
