import { setFlagsFromString } from 'node:v8'

/**
 * Does what makes much that stays. V8 would begin to mark it while it is being made, step by step,
 * so that nothing waits for long; at the start nothing waits yet, and at once it takes less time.
 */
export function markedAtOnce<T>(make: () => T): T {
  setFlagsFromString('--no-incremental-marking')
  try {
    return make()
  } finally {
    setFlagsFromString('--incremental-marking')
  }
}

/**
 * Keeps V8's young generation at the megabyte that it begins with. Each longer packet leaves a cipher
 * of node:crypto's behind, and a collection ends them one by one: in the 16 MB to which V8 lets it grow
 * under load, some thousands, in a pause that outlasts a probe timeout. Many short ones together
 * take no longer. (`--max-semi-space-size` would say it, but is only read before a program starts.)
 */
export function keepCollectionsShort(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
