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

/** What says how large the young generation may become, wherever it stands. */
const LIMIT = /--max[-_]semi[-_]space[-_]size/

/**
 * Keeps V8's young generation small, unless who started the program has said how large it may become:
 * at the megabyte that it begins with. Each longer packet leaves a cipher of node:crypto's behind, and
 * a collection ends them one by one: in the 16 MB to which V8 lets it grow under load, some thousands,
 * in a pause that outlasts a probe timeout. (The unit says 4 MB by `--max-semi-space-size`, which is
 * only read before a program starts.)
 *
 * @param options Node.js's own: of the command line, and of `NODE_OPTIONS`
 */
export function keepCollectionsShort(
  options: string = [...process.execArgv, process.env['NODE_OPTIONS']].join(' '),
): void {
  if (!LIMIT.test(options)) setFlagsFromString('--semi-space-growth-factor=1')
}
