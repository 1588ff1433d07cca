import type { Lan } from './lan.ts'
import type { LoadResult } from './load.ts'

/** Something that happens to the boxes, in the order of the list; later ones rest on earlier ones. */
export type Scenario = {
  readonly title: string
  /** What it saw, for the line that it ends with. */
  run(lan: Lan): Promise<string | undefined>
}

/** Throws where it is not so. */
export function expect(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(what)
}

/** A load in which every lock was had, but for one at most where a box began anew. */
export function expectGood(result: LoadResult): string {
  const { codes, said, entries, faults, begun } = result
  expect(faults.length === 0, `exclusion: ${faults.join('; ')}`)
  const { 0: good = 0, 75: lost = 0, ...others } = codes
  const bad = Object.entries(others).map(([code, count]) => `${count} times ${code}`)
  expect(
    bad.length === 0,
    `lamportctl lock ended with another code than 0: ${bad.join(', ')} (${said.join('; ')})`,
  )
  expect(lost <= begun, `${lost} locks were lost, but boxes began anew ${begun} times`)
  expect(good > 0, 'nobody entered')
  return `${entries} entries, ${lost} lost where boxes began anew ${begun} times`
}
