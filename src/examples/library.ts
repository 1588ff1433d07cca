// The library in a program: `node dist/src/examples/library.js`, with $LAMPORT_SOCKET set or lamportd
// installed. A program of your own imports it by the name of the package, lamportd.
import { connect, LamportError } from '../client/client.ts'

// TypeScript, and newer versions of Node, close it where this file ends; elsewhere try/finally does.
await using client = await connect()

// While this waits lamportd may be restarted: it is asked for again. Once held, `signal` is aborted
// when the lock is lost, and then the work has to stop; the token is for the resource to check.
const count = await client.withLock(
  'examples/count',
  async ({ token, signal }) => {
    const { value } = await client.get('examples/count', { signal })
    const next = Number(value ?? 0) + 1
    signal.throwIfAborted()
    await client.set('examples/count', String(next), { signal })
    process.stdout.write(`run ${next}, with token ${token}\n`)
    return next
  },
  { waitMs: 60_000, why: 'counts its runs' },
)

try {
  // Without a lock: only if nobody has changed it since.
  const { version } = await client.get('examples/last')
  await client.set('examples/last', `run ${count}`, { ifVersion: version })
} catch (error) {
  if (!(error instanceof LamportError) || error.code !== 'versionDiffers') throw error
  process.stdout.write(`somebody was faster: ${String(error.current?.value)}\n`)
}

// Waits for the answer alone: `undefined` where somebody else has it.
const lock = await client.tryLock('examples/count')
process.stdout.write(lock === undefined ? 'taken again already\n' : 'free again\n')
await lock?.release()

{
  // Given up after a minute, and withdrawn; let go where this block ends. What takes a signal takes
  // `lost`: it stops when the lock does.
  await using door = await client.lock('examples/door', { signal: AbortSignal.timeout(60_000) })
  const changes = client.watch('examples/last', { initial: true, signal: door.lost })
  for await (const { value } of changes) {
    process.stdout.write(`last was ${String(value)}\n`)
    break
  }
  // Every lock in use, on all hosts; or one of them.
  const [shown] = await client.locks('examples/door')
  process.stdout.write(`held by ${shown?.holders[0]?.host ?? 'nobody'}\n`)
}
