import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const HEAP = fileURLToPath(new URL('../../src/daemon/heap.js', import.meta.url))

/** Bytes of the young generation of a process in which much survives for a while. */
function youngBytes(first: string): number {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8'
    ${first}
    const kept = []
    for (let i = 0; i < 3_000_000; i++) kept[i % 20_000] = { i }
    const young = getHeapSpaceStatistics().find(space => space.space_name === 'new_space')
    console.log(young.space_size)`
  return Number(execFileSync(process.execPath, ['--input-type=module', '--eval', program]))
}

test('a young generation that is kept small does not grow, as it otherwise does', t => {
  const kept = youngBytes(`
    import { keepCollectionsShort } from '${HEAP}'
    keepCollectionsShort()`)
  t.true(kept <= 2 * 1024 * 1024, `${kept} bytes`)
  t.true(youngBytes('') > 2 * kept)
})
