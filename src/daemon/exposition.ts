import type { Histogram } from './histogram.ts'

/** What tells one series of a family from another. */
export type Labels = Readonly<Record<string, string>>

/** One value, or one for each set of labels. */
export type Samples = number | readonly (readonly [labels: Labels, value: number])[]

/** The type of what is written, as HTTP would name it. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Prometheus's text format, version 0.0.4: families of samples, each with its help and its type. */
export class Exposition {
  readonly #lines: string[] = []

  gauge(name: string, help: string, samples: Samples): void {
    this.#family(name, 'gauge', help, samples)
  }

  counter(name: string, help: string, samples: Samples): void {
    this.#family(name, 'counter', help, samples)
  }

  histogram(name: string, help: string, { bounds, counts, sum }: Histogram): void {
    this.#head(name, 'histogram', help)
    let total = 0
    counts.forEach((count, bucket) => {
      total += count
      const le = bounds[bucket] ?? Infinity
      this.#sample(`${name}_bucket`, { le: numberText(le) }, total)
    })
    this.#sample(`${name}_sum`, {}, sum)
    this.#sample(`${name}_count`, {}, total)
  }

  /** Every line with its newline, the last one too: a reader insists on it. */
  text(): string {
    return this.#lines.join('\n') + '\n'
  }

  #family(name: string, type: string, help: string, samples: Samples): void {
    const list = typeof samples === 'number' ? [[{}, samples] as const] : samples
    // A type without a sample says nothing.
    if (list.length === 0) return
    this.#head(name, type, help)
    for (const [labels, value] of list) this.#sample(name, labels, value)
  }

  #head(name: string, type: string, help: string): void {
    this.#lines.push(`# HELP ${name} ${escape(help)}`, `# TYPE ${name} ${type}`)
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${quoted(text)}"`)
    const set = pairs.length === 0 ? '' : `{${pairs.join(',')}}`
    this.#lines.push(`${name}${set} ${numberText(value)}`)
  }
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function quoted(text: string): string {
  return escape(text).replaceAll('"', '\\"')
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}
