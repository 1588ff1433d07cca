/** One line of values. */
export type Sample = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export type Family = {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: Sample[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
const PAIR = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y

/**
 * Prometheus's text format 0.0.4, read more strictly than Prometheus does: help and type before the
 * samples of each family, families whole and once, no sample twice, names with their proper endings,
 * and histograms whose buckets rise to +Inf and to their count. Throws at the first fault.
 */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>()
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const lines = text.split('\n').slice(0, -1)
  let family: Family | undefined
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const help = /^# HELP (\S+) (\S.*)$/.exec(line)
    if (help !== null) {
      const [, name = '', said = ''] = help
      const type = new RegExp(`^# TYPE ${name} (counter|gauge|histogram)$`).exec(lines[++at] ?? '')
      if (!NAME.test(name) || type === null) throw new Error(`no type follows: ${line}`)
      if (families.has(name)) throw new Error(`a family comes twice: ${name}`)
      family = { name, help: said, type: type[1] ?? '', samples: [] }
      families.set(name, family)
      continue
    }
    const sample = parseSample(line)
    if (family === undefined || !belongs(family, sample.name)) throw new Error(`astray: ${line}`)
    family.samples.push(sample)
  }
  for (const each of families.values()) checkFamily(each)
  return families
}

function parseSample(line: string): Sample {
  const [, name = '', set, number = ''] = SAMPLE.exec(line) ?? []
  if (name === '') throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  PAIR.lastIndex = 0
  while (set !== undefined && PAIR.lastIndex < set.length) {
    const [, key = '', quoted = '', end] = PAIR.exec(set) ?? []
    if (key === '' || key in labels) throw new Error(`wrong labels: ${line}`)
    labels[key] = quoted.replace(/\\(.)/g, (_, letter) => (letter === 'n' ? '\n' : String(letter)))
    if (end === ',' && PAIR.lastIndex === set.length) throw new Error(`a comma too much: ${line}`)
  }
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

function belongs({ name, type }: Family, sample: string): boolean {
  if (type !== 'histogram') return sample === name
  return [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample)
}

function checkFamily(family: Family): void {
  const { name, type, samples } = family
  const fail = (what: string): never => {
    throw new Error(`${name}: ${what}`)
  }
  if (samples.length === 0) fail('no sample')
  const series = samples.map(each => each.name + JSON.stringify(Object.entries(each.labels).sort()))
  if (new Set(series).size < series.length) fail('a sample comes twice')
  if ((type === 'counter') !== name.endsWith('_total')) fail('_total is for counters, and for them')
  if (/_(ms|millis|milliseconds|kb|kib|percent)(_|$)/.test(name)) fail('not a base unit')
  if (type !== 'gauge' && samples.some(({ value }) => !(value >= 0))) fail('it fell below nothing')
  if (type === 'histogram') checkHistogram(family, fail)
}

function checkHistogram({ name, samples }: Family, fail: (what: string) => never): void {
  const buckets = samples.filter(sample => sample.name === `${name}_bucket`)
  const bounds = buckets.map(({ labels }) => Number(labels.le?.replace('Inf', 'Infinity')))
  const rises = (list: readonly number[]): boolean =>
    list.every((value, at) => at === 0 || value > (list[at - 1] ?? Infinity))
  if (!rises(bounds) || bounds.at(-1) !== Infinity) fail('its bounds do not rise to +Inf')
  const counts = buckets.map(({ value }) => value)
  if (counts.some((count, at) => at > 0 && count < (counts[at - 1] ?? Infinity))) {
    fail('its buckets fall')
  }
  const count = samples.find(sample => sample.name === `${name}_count`)?.value
  if (count !== counts.at(-1)) fail('its count is not that of its last bucket')
  if (!samples.some(sample => sample.name === `${name}_sum`)) fail('it has no sum')
}
