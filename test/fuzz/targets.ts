import { controlTarget } from './control.ts'
import { framesTarget } from './frames.ts'
import { Insider } from './insider.ts'
import { Member } from './member.ts'
import { messagesTarget } from './messages.ts'
import { noiseSeal } from './seals.ts'
import { Stranger } from './stranger.ts'

import type { Target } from './engine.ts'

/** Everything that takes bytes from strangers, by name. */
export const TARGETS: Readonly<Record<string, () => Target>> = {
  frames: () => framesTarget(),
  stranger: () => new Stranger(),
  member: () => new Member(),
  'stranger-sealed': () => new Stranger(noiseSeal),
  'member-sealed': () => new Member(noiseSeal),
  insider: () => new Insider(),
  messages: () => messagesTarget(),
  control: () => controlTarget(),
}
