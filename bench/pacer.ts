// A thread that wakes the main one when a message is due: timers of Node's are a millisecond coarse.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { monotonicNow } from '../src/control/monotonic.ts'

type Task = { readonly start: number; readonly due: Float64Array }

/** Calls `fire` with each index when it is due; resolves when all were. */
export function pace(
  start: number,
  due: Float64Array,
  fire: (index: number) => void,
): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { start, due } })
  let next = 0
  return new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', () => {
      const now = monotonicNow()
      while (next < due.length && start + (due[next] as number) <= now) fire(next++)
    })
    worker.on('exit', () => {
      while (next < due.length) fire(next++)
      resolve()
    })
  })
}

function wake({ start, due }: Task): void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  for (let i = 0; i < due.length;) {
    const wait = start + (due[i] as number) - monotonicNow()
    if (wait > 0) Atomics.wait(never, 0, 0, wait)
    const now = monotonicNow()
    while (i < due.length && start + (due[i] as number) <= now) i++
    parentPort?.postMessage(undefined)
  }
}

if (!isMainThread) wake(workerData as Task)
