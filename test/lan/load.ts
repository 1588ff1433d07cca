import type { Box } from './box.ts'
import type { Lan } from './lan.ts'

/**
 * Whoever is inside takes a lock of the kernel, which all boxes share, without waiting: refused, it
 * has seen another one inside. What ends a holder frees it.
 */
export const ENTER = `#!/bin/sh
: "\${LAN:=/lan}"
exec 9>>$LAN/door
flock -n 9 || { echo "two holders: $LAMPORT_LOCK_TOKEN on $LAMPORT_HOST" >> $LAN/faults; exit 99; }
echo "$LAMPORT_LOCK_TOKEN $LAMPORT_HOST" >> $LAN/entries
sleep 0.03
`

/** Enters again and again, until /lan/stop is there; each end is a line: box, exit code, last words. */
const LOOP = `#!/bin/sh
while [ ! -e /lan/stop ]; do
  lamportctl lock --connect-wait 30 -w 60 door /lan/enter 2>/run/said.$$
  echo "$(hostname) $? $(tail -n 1 /run/said.$$)" >> /lan/results
done
`

const LOOPS_A_BOX = 2

export type LoadResult = {
  /** Exit codes, and how often. */
  readonly codes: Readonly<Record<string, number>>
  /** What was said along with those that are not 0. */
  readonly said: readonly string[]
  readonly entries: number
  /** How often boxes began anew meanwhile. */
  readonly begun: number
  /** What must not have happened. */
  readonly faults: readonly string[]
}

/** Contention on all boxes for as long as `work` takes. */
export async function underLoad(
  lan: Lan,
  work: () => Promise<void>,
  boxes: readonly Box[] = lan.boxes,
): Promise<LoadResult> {
  lan.share('enter', ENTER)
  lan.share('loop', LOOP)
  for (const name of ['door', 'entries', 'faults', 'results']) lan.share(name, '')
  await lan.onAll('rm -f /lan/stop', boxes.slice(0, 1))
  const before = await lan.incarnations()
  const loops = boxes.flatMap(box =>
    Array.from({ length: LOOPS_A_BOX }, () => box.run('/lan/loop', 240_000)),
  )
  try {
    await work()
  } finally {
    lan.share('stop', '')
    await Promise.all(loops)
  }
  return readLoad(name => lan.shared(name), (await lan.incarnations()) - before)
}

/** What the loops and those inside have written, read by its name. */
export function readLoad(shared: (name: string) => string, begun: number): LoadResult {
  const codes: Record<string, number> = {}
  const said: string[] = []
  for (const line of lines(shared('results'))) {
    const code = line.split(' ')[1] ?? ''
    codes[code] = (codes[code] ?? 0) + 1
    if (code !== '0') said.push(line)
  }
  const entries = lines(shared('entries'))
  return {
    codes,
    said,
    begun,
    entries: entries.length,
    faults: [...lines(shared('faults')), ...falls(entries)],
  }
}

/** Tokens rise in the order of entries. */
function falls(entries: readonly string[]): readonly string[] {
  const tokens = entries.map(line => Number(line.split(' ')[0]))
  return tokens.flatMap((token, index) => {
    const before = tokens[index - 1] ?? 0
    return token > before ? [] : [`token ${token} after ${before}`]
  })
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter(line => line !== '')
}
