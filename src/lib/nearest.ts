/**
 * The choice that was most likely meant by `word`, if one is near enough: at most a third of its
 * letters differ (Levenshtein's distance, a swap of neighbours counting as one), or it is the
 * beginning of that choice.
 */
export function nearest(word: string, choices: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  if (word.length > 64) return undefined
  for (const choice of choices) {
    const away = distance(word.toLowerCase(), choice.toLowerCase())
    if (away < bestDistance) [best, bestDistance] = [choice, away]
  }
  return best ?? (word.length > 2 ? choices.find(choice => choice.startsWith(word)) : undefined)
}

function distance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const at = (list: readonly number[], index: number): number => list[index] ?? Infinity
      let least = Math.min(
        at(previous, j) + 1,
        at(row, j - 1) + 1,
        at(previous, j - 1) + (same ? 0 : 1),
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, at(beforePrevious, j - 2) + 1)
      }
      row.push(least)
    }
    ;[beforePrevious, previous] = [previous, row]
  }
  return previous[b.length] ?? Infinity
}
