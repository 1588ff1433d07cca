/**
 * A word as bash would read it, from what stands on its line: quotes and backslashes are taken off,
 * and a quote may still be open. What would have to be run or looked up first stays as it is.
 */
export function unquoted(word: string, home: string): string {
  const text = word.startsWith('~/') ? home + word.slice(1) : word
  let plain = ''
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    const next = text[at + 1]
    if (quote === "'") {
      if (character === "'") quote = ''
      else plain += character
    } else if (character === '\\' && next !== undefined) {
      // In double quotes a backslash is only one before what is special there.
      plain += quote === '' || '$`"\\'.includes(next) ? next : character + next
      at++
    } else if (character === quote) quote = ''
    else if (quote === '' && (character === "'" || character === '"')) quote = character
    else plain += character
  }
  return plain
}
