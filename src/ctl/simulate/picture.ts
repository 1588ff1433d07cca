import type { Use } from '../../sim/uses.ts'
import type { TrialResult } from '../../sim/verdict.ts'

export type PictureOptions = {
  readonly title: string
  /** How often each host was to enter. */
  readonly entries: number
  readonly result: TrialResult
  readonly uses: readonly Use[]
  readonly killed: ReadonlyMap<number, number>
}

const WIDTH = 1120
const LEFT = 84
/** Of the part that shows time; then a gap, and the part that shows how long each waited. */
const TIME_WIDTH = 660
const GAP = 36
const WAIT_LEFT = LEFT + TIME_WIDTH + GAP
const WAIT_WIDTH = 200
const TOP = 122
const LANE = 22

/** Each with words to hover over, and its wait; beyond, a file would be heavy. */
const DETAILS_MAX = 3000

/** Alternating: neighbours in the lane of all are told apart. */
const COLOURS = 6

/** Colours of light and dark, by what the reader's system says. */
const STYLE = `
  svg { --bg: #ffffff; --ink: #1c2733; --soft: #5d6b7a; --line: #dfe5eb; --band: #f5f7f9; --wait: #b9c4d0;
    --good: #1a7f4b; --bad: #c62f3b;
    --c0: #2f6fde; --c1: #e0852a; --c2: #1f9d74; --c3: #b4459b; --c4: #7a5bd0; --c5: #b89414; }
  @media (prefers-color-scheme: dark) {
    svg { --bg: #12171d; --ink: #e6ebf0; --soft: #94a2b1; --line: #2b343f; --band: #182028; --wait: #4c5a69;
      --good: #4fc98a; --bad: #ff7a82;
      --c0: #6ea2ff; --c1: #f3a65a; --c2: #4fc9a0; --c3: #de7cc8; --c4: #a890f2; --c5: #dcbd4c; }
  }
  text { font: 13px system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; fill: var(--ink); }
  .title { font-size: 17px; font-weight: 600; } .soft { fill: var(--soft); } .small { font-size: 11px; }
  .head { font-weight: 600; } .end { text-anchor: end; } .mid { text-anchor: middle; }
  .grid { stroke: var(--line); } .band { fill: var(--band); } .wait { fill: var(--wait); }
  .around { stroke: var(--bg); stroke-width: 6; fill: none; }
  .dead { stroke: var(--bad); stroke-width: 2; fill: none; } .good { fill: var(--good); } .bad { fill: var(--bad); }
  .mark { stroke: var(--ink); stroke-width: 1.5; } .span { stroke: var(--soft); }
${Array.from({ length: COLOURS }, (_, i) => `  .h${i} { fill: var(--c${i}); }`).join('\n')}
`

/** When each host was inside, and how long each waited: a file that stands for itself. */
export function pictureOf(options: PictureOptions): string {
  return new Picture(options).text()
}

class Picture {
  readonly #options: PictureOptions
  readonly #hosts: readonly number[]
  readonly #row: number
  readonly #end: number
  readonly #height: number
  readonly #isDetailed: boolean

  constructor(options: PictureOptions) {
    this.#options = options
    this.#hosts = Object.keys(options.result.latency).map(Number)
    const count = this.#hosts.length
    this.#row = count <= 12 ? 30 : count <= 30 ? 20 : 11
    this.#end = endOf(options)
    this.#isDetailed = options.uses.length <= DETAILS_MAX
    this.#height = TOP + count * this.#row + 14 + LANE + 78
  }

  text(): string {
    const { title, result } = this.#options
    const what = `When each of ${this.#hosts.length} hosts was in the critical section, and how long it waited`
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${this.#height}" role="img" aria-labelledby="t d">`,
      `<title id="t">${escaped(title)}</title>`,
      `<desc id="d">${what}. Verdict: ${result.verdict.passed ? 'pass' : 'fail'}.</desc>`,
      `<style>${STYLE}</style>`,
      `<rect width="${WIDTH}" height="${this.#height}" style="fill: var(--bg)"/>`,
      ...this.#heading(),
      ...this.#timeAxis(),
      ...this.#waitAxis(),
      ...this.#hosts.flatMap((host, i) => this.#hostRow(host, i)),
      ...this.#lane(),
      ...this.#legend(),
      '</svg>\n',
    ].join('\n')
  }

  #heading(): string[] {
    const { title, result } = this.#options
    const { verdict, total_messages: messages, execution_time: seconds } = result
    const [kind, word] = verdict.passed ? ['good', 'PASS'] : ['bad', 'FAIL']
    const { entries, expected } = verdict.liveness
    const [first = '', ...network] = title.split('; ')
    const facts = [
      ...network,
      `${entries.toLocaleString('en')} of ${expected.toLocaleString('en')} entries`,
      `${messages.toLocaleString('en')} messages`,
      spelled(seconds * 1000),
      `Jain's index ${verdict.fairness.jain.toFixed(3)}`,
    ].join(' · ')
    return [
      `<rect class="${kind}" x="24" y="24" width="62" height="26" rx="5"/>`,
      `<text class="head mid" x="55" y="42" style="fill: var(--bg)">${word}</text>`,
      `<text class="title" x="98" y="43">${escaped(first)}</text>`,
      `<text class="soft" x="98" y="65">${escaped(facts)}</text>`,
    ]
  }

  #timeAxis(): string[] {
    const bottom = this.#laneTop + LANE
    const step = niceStep(this.#end, 8)
    const unit = unitOf(this.#end)
    const lines = [`<text class="head" x="${LEFT}" y="${TOP - 26}">In the critical section</text>`]
    for (let at = 0; at <= this.#end * 1.0001; at += step) {
      const x = fixed(this.#x(at))
      lines.push(
        `<line class="grid" x1="${x}" y1="${TOP - 4}" x2="${x}" y2="${bottom}"/>`,
        `<text class="soft small mid" x="${x}" y="${TOP - 9}">${tick(at / unit.ms)}${at === 0 ? ` ${unit.name}` : ''}</text>`,
      )
    }
    return lines
  }

  #waitAxis(): string[] {
    const max = this.#waitMax
    const step = niceStep(max, 4)
    const unit = unitOf(max)
    const bottom = TOP + this.#hosts.length * this.#row
    const lines = [
      `<text class="head" x="${WAIT_LEFT}" y="${TOP - 26}">From request to entry</text>`,
    ]
    for (let at = 0; at <= max * 1.0001; at += step) {
      const x = fixed(WAIT_LEFT + (WAIT_WIDTH * at) / max)
      lines.push(
        `<line class="grid" x1="${x}" y1="${TOP - 4}" x2="${x}" y2="${bottom}"/>`,
        `<text class="soft small mid" x="${x}" y="${TOP - 9}">${tick(at / unit.ms)}${at === 0 ? ` ${unit.name}` : ''}</text>`,
      )
    }
    return lines
  }

  #hostRow(host: number, index: number): string[] {
    const row = this.#row
    const y = TOP + index * row
    const middle = fixed(y + row / 2)
    const lines: string[] = []
    if (index % 2 === 0)
      lines.push(
        `<rect class="band" x="${LEFT}" y="${y}" width="${TIME_WIDTH}" height="${row}"/>`,
        `<rect class="band" x="${WAIT_LEFT}" y="${y}" width="${WAIT_WIDTH}" height="${row}"/>`,
      )
    if (row > 11 || index % 5 === 0 || index === this.#hosts.length - 1) {
      const size = row > 11 ? '' : ' small'
      lines.push(
        `<text class="end${size}" x="${LEFT - 12}" y="${fixed(y + row / 2 + 4)}">host ${host}</text>`,
      )
    }
    const own = this.#options.uses.filter(use => use.host === host)
    if (this.#isDetailed) lines.push(...own.map(use => this.#waiting(use, middle)))
    lines.push(...own.map((use, i) => this.#bar(use, y + row * 0.18, row * 0.64, i + 1)))
    lines.push(...this.#death(host, y), ...this.#waited(host, y))
    return lines
  }

  #waiting({ askedAt, enteredAt }: Use, y: string): string {
    const [from, to] = [this.#x(askedAt), this.#x(enteredAt)]
    return `<rect class="wait" x="${fixed(from)}" y="${fixed(Number(y) - 1)}" width="${fixed(to - from)}" height="2"/>`
  }

  /** `nth`: with words to hover over. No least width: that would make neighbours overlap. */
  #bar(use: Use, y: number, height: number, nth: number | undefined): string {
    const { host, enteredAt, leftAt = this.#end } = use
    const [from, to] = [this.#x(enteredAt), this.#x(leftAt)]
    const shape = `class="use h${(host - 1) % COLOURS}" x="${fixed(from)}" y="${fixed(y)}" width="${fixed(Math.max(0, to - from - 5e-4))}" height="${fixed(height)}"`
    if (nth === undefined || !this.#isDetailed) return `<rect ${shape}/>`
    const waited = spelled(enteredAt - use.askedAt)
    const span = `${spelled(enteredAt)} to ${spelled(leftAt)}`
    const lost = use.isWhole ? '' : ', which it did not leave by itself'
    return `<rect ${shape}><title>host ${host}, entry ${nth}: inside from ${span}${lost}, after ${waited} of waiting; clock ${use.clock}</title></rect>`
  }

  #death(host: number, y: number): string[] {
    const at = this.#options.killed.get(host)
    if (at === undefined) return []
    const [x, middle, arm] = [this.#x(at), y + this.#row / 2, Math.min(6, this.#row / 3)]
    const cross = `M${fixed(x - arm)} ${fixed(middle - arm)}L${fixed(x + arm)} ${fixed(middle + arm)}M${fixed(x - arm)} ${fixed(middle + arm)}L${fixed(x + arm)} ${fixed(middle - arm)}`
    const rest = `M${fixed(x + arm + 4)} ${fixed(middle)}H${LEFT + TIME_WIDTH}`
    // On the bar of a host that died inside, red alone is hardly seen.
    return [
      `<path class="around" d="${cross}"/>`,
      `<path class="dead" d="${cross}"><title>host ${host} was killed at ${spelled(at)}</title></path>`,
      `<path class="dead" d="${rest}" style="stroke-width: 1; stroke-dasharray: 2 5"/>`,
    ]
  }

  /** A bar as long as the median, a line from the least to the most, a mark at the 99th percentile. */
  #waited(host: number, y: number): string[] {
    const latency = this.#options.result.latency[String(host)]
    if (latency === undefined || latency.entries === 0) return []
    const { min, median, p99, max } = latency.ms
    const x = (ms: number): string => fixed(WAIT_LEFT + (WAIT_WIDTH * ms) / this.#waitMax)
    const middle = fixed(y + this.#row / 2)
    const [top, height] = [fixed(y + this.#row * 0.25), fixed(this.#row * 0.5)]
    const width = fixed((WAIT_WIDTH * median) / this.#waitMax)
    const numbers = [min, median, p99, max].map(spelled)
    const words = `host ${host}: least ${numbers[0]}, median ${numbers[1]}, 99th percentile ${numbers[2]}, most ${numbers[3]}`
    return [
      `<rect class="h${(host - 1) % COLOURS}" x="${WAIT_LEFT}" y="${top}" width="${width}" height="${height}"><title>${words}</title></rect>`,
      `<line class="span" x1="${x(min)}" y1="${middle}" x2="${x(max)}" y2="${middle}"/>`,
      `<line class="mark" x1="${x(p99)}" y1="${top}" x2="${x(p99)}" y2="${fixed(y + this.#row * 0.75)}"/>`,
      ...(this.#row > 11
        ? [
            `<text class="soft small" x="${WAIT_LEFT + WAIT_WIDTH + 12}" y="${fixed(y + this.#row / 2 + 4)}">${spelled(median)}</text>`,
          ]
        : []),
    ]
  }

  /** All bars in one lane: at no time are there two. */
  #lane(): string[] {
    const y = this.#laneTop
    const label = `<text class="end" x="${LEFT - 12}" y="${y + 15}">all</text>`
    const uses = [...this.#options.uses].sort((a, b) => a.enteredAt - b.enteredAt)
    return [
      `<line class="grid" x1="${LEFT}" y1="${y - 7}" x2="${LEFT + TIME_WIDTH}" y2="${y - 7}"/>`,
      label,
      ...uses.map(use => this.#bar(use, y + 2, LANE - 4, undefined)),
    ]
  }

  #legend(): string[] {
    const y = this.#height - 34
    const at = (x: number, text: string): string =>
      `<text class="soft small" x="${x}" y="${y + 4}">${text}</text>`
    return [
      `<rect class="wait" x="${LEFT}" y="${y - 1}" width="26" height="2"/>`,
      at(LEFT + 34, 'has asked, and waits'),
      `<rect class="h0" x="${LEFT + 170}" y="${y - 6}" width="26" height="12"/>`,
      at(LEFT + 204, 'is inside'),
      at(LEFT + 290, 'all: every stay in one lane, and no two overlap'),
      `<rect class="h0" x="${WAIT_LEFT}" y="${y - 6}" width="26" height="12"/>`,
      at(WAIT_LEFT + 34, 'median'),
      `<line class="span" x1="${WAIT_LEFT + 88}" y1="${y}" x2="${WAIT_LEFT + 114}" y2="${y}"/>`,
      `<line class="mark" x1="${WAIT_LEFT + 108}" y1="${y - 5}" x2="${WAIT_LEFT + 108}" y2="${y + 5}"/>`,
      at(WAIT_LEFT + 122, 'least to most; 99th percentile'),
    ]
  }

  get #laneTop(): number {
    return TOP + this.#hosts.length * this.#row + 14
  }

  get #waitMax(): number {
    const most = Object.values(this.#options.result.latency).map(({ ms }) => ms.max)
    return Math.max(0.001, ...most)
  }

  #x(ms: number): number {
    return LEFT + (TIME_WIDTH * Math.min(ms, this.#end)) / this.#end
  }
}

/** Of the time that is shown. */
function endOf({ uses, killed }: PictureOptions): number {
  let end = Math.max(0.001, ...killed.values())
  for (const use of uses) end = Math.max(end, use.leftAt ?? use.enteredAt)
  return end
}

/** 1, 2 or 5 times a power of ten, so that there are about `count` steps. */
function niceStep(end: number, count: number): number {
  const rough = end / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const factor = [1, 2, 5, 10].find(each => each * power >= rough) ?? 10
  return factor * power
}

function unitOf(end: number): { readonly ms: number; readonly name: string } {
  return end >= 2000 ? { ms: 1000, name: 's' } : { ms: 1, name: 'ms' }
}

function tick(value: number): string {
  return String(Number(value.toPrecision(6)))
}

/** `0.4 ms`, `12 ms`, `3.4 s`. */
function spelled(ms: number): string {
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(3))} s`
  return `${Number(ms.toPrecision(3))} ms`
}

/** Fine enough that what does not overlap in time does not in the picture. */
function fixed(value: number): string {
  return String(Number(value.toFixed(4)))
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, sign => (sign === '&' ? '&amp;' : sign === '<' ? '&lt;' : '&gt;'))
}
