/** East Asian wide characters; emoji say so by themselves. */
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u
/** A picture that is asked for as one, a keycap, or a flag of two letters. */
const PICTURE = /^(?:\p{Emoji}.*\ufe0f|\p{Regional_Indicator}{2})/u
/** Accents, joiners and the like, alone. */
const NOTHING = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
/** Half-width sound marks: part of the character before them, in a column of their own. */
const HALF = /[\uff9e\uff9f]/g

let segmenter: Intl.Segmenter | undefined

/** Columns that a terminal gives to a text: what is joined into one picture counts once. */
export function width(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  segmenter ??= new Intl.Segmenter()
  let columns = 0
  for (const { segment } of segmenter.segment(text)) {
    if (NOTHING.test(segment)) continue
    columns += WIDE.test(segment) || PICTURE.test(segment) ? 2 : 1
    columns += segment.slice(1).match(HALF)?.length ?? 0
  }
  return columns
}

/** What of the beginning has room, with … behind it where it is not all. */
export function cutEnd(text: string, columns: number): string {
  if (width(text) <= columns) return text
  segmenter ??= new Intl.Segmenter()
  let [cut, room] = ['', columns - 1]
  for (const { segment } of segmenter.segment(text)) {
    room -= width(segment)
    if (room < 0) break
    cut += segment
  }
  return `${cut}…`
}
