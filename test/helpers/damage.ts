import { readFileSync, writeFileSync } from 'node:fs'

/** A bit of every copy of this text in the file is another one; how many there were. */
export function flip(path: string, text: string): number {
  const bytes = readFileSync(path)
  let flipped = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    bytes[at + 1] = (bytes[at + 1] ?? 0) ^ 1
    flipped += 1
  }
  writeFileSync(path, bytes)
  return flipped
}
