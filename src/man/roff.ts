/** A page in the macros of man(7), which groff and mandoc both know. */
export class Roff {
  readonly #lines: string[] = []

  constructor(name: string, section: number, summary: string, version: string) {
    // No date: a page is the same whenever it is made.
    this.#lines.push(`.TH ${name.toUpperCase()} ${section} "" "lamportd ${version}"`)
    this.section('NAME').text(`${name} - ${summary}`)
  }

  section(title: string): this {
    this.#lines.push(`.SH ${title}`)
    return this
  }

  subsection(title: string): this {
    this.#lines.push(`.SS ${quoted(title)}`)
    return this
  }

  /** Paragraphs, with an empty line between. */
  text(text: string): this {
    text.split('\n\n').forEach((paragraph, at) => {
      if (at > 0) this.#lines.push('.PP')
      this.#lines.push(...paragraph.split('\n').map(escape))
    })
    return this
  }

  /** Lines as they are. */
  literal(lines: readonly string[]): this {
    this.#lines.push('.nf', ...lines.map(escape), '.fi')
    return this
  }

  /** A word, and what it means, a pair a paragraph. */
  list(pairs: readonly (readonly [left: string, right: string])[]): this {
    for (const [left, right] of pairs) {
      this.#lines.push('.TP', `.B ${escape(left.replace(/ \\\n +/g, ' '))}`)
      // What follows a tag must be something.
      this.#lines.push(...(right === '' ? ['.br'] : right.split('\n').map(escape)))
    }
    return this
  }

  toString(): string {
    return this.#lines.join('\n') + '\n'
  }
}

/** A hyphen is one to be typed, and no line is taken for a macro. */
function escape(text: string): string {
  const safe = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq')
  const plain = safe.replaceAll('"', '\\(dq').replaceAll('`', '\\(ga').replaceAll('^', '\\(ha')
  return (/^[.]/.test(plain) ? `\\&${plain}` : plain).replaceAll('~', '\\(ti')
}

function quoted(text: string): string {
  return `"${escape(text)}"`
}
