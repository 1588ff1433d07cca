import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const HEAP = fileURLToPath(new URL('../../src/daemon/heap.js', import.meta.url))

/** Bytes of the young generation of a process in which much survives for a while. */
function youngBytes(first: string, ...options: readonly string[]): number {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8'
    ${first}
    const kept = []
    for (let i = 0; i < 3_000_000; i++) kept[i % 20_000] = { i }
    const young = getHeapSpaceStatistics().find(space => space.space_name === 'new_space')
    console.log(young.space_size)`
  const args = [...options, '--input-type=module', '--eval', program]
  return Number(execFileSync(process.execPath, args))
}

const KEEP = `
    import { keepCollectionsShort } from '${HEAP}'
    keepCollectionsShort()`

test('a young generation that is kept small does not grow, as it otherwise does', t => {
  const kept = youngBytes(KEEP)
  t.true(kept <= 2 * 1024 * 1024, `${kept} bytes`)
  t.true(youngBytes('') > 2 * kept)
})

test('who starts the program may let it become larger, up to what was said', t => {
  const kept = youngBytes(KEEP)
  const limited = youngBytes(KEEP, '--max-semi-space-size=4')
  t.true(limited > 2 * kept, `${limited} bytes`)
  t.true(limited <= 8 * 1024 * 1024, `${limited} bytes`)
})

test('the unit says four megabytes, in a way that Node.js takes', t => {
  const unit = readFileSync(new URL('../../../systemd/lamportd.service', import.meta.url), 'utf8')
  const options = /^Environment=NODE_OPTIONS=(.*)$/m.exec(unit)?.[1]
  t.is(options, '--max-semi-space-size=4')
  const env = { ...process.env, NODE_OPTIONS: options }
  t.is(String(execFileSync(process.execPath, ['--print', '1'], { env })), '1\n')
})
