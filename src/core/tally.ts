import { MESSAGE_TYPES, type Message, type MessageType } from './message.ts'

type Counts = Record<MessageType, number>

/** What a host has done since it started, for `status` and for the checks that count messages. */
export class Tally {
  grants = 0
  views = 0
  readonly #sent = noMessages()
  readonly #received = noMessages()

  sent(message: Message): void {
    this.#sent[message.type] += 1
  }

  received(message: Message): void {
    this.#received[message.type] += 1
  }

  get messages(): { readonly sent: Readonly<Counts>; readonly received: Readonly<Counts> } {
    return { sent: { ...this.#sent }, received: { ...this.#received } }
  }
}

function noMessages(): Counts {
  return Object.fromEntries(MESSAGE_TYPES.map(type => [type, 0])) as Counts
}
