import test from 'ava'
import type { TraceEntry, TraceLine } from '../../src/control/trace.ts'
import { build } from '../../src/diagram/build.ts'
import { merge } from '../../src/diagram/merge.ts'
import type { Diagram, Kind } from '../../src/diagram/model.ts'
import { parseLine, parseTrace } from '../../src/diagram/parse.ts'
import { shiviz } from '../../src/diagram/shiviz.ts'
import { svgDocument } from '../../src/diagram/svg.ts'
import { diagramText } from '../../src/diagram/text.ts'
import { arrowLabel, fateText, queueLabel, spellToken } from '../../src/diagram/words.ts'
import { causalFaults } from '../helpers/causes.ts'
import { Schedule } from '../helpers/schedule.ts'
import { Tracing } from '../helpers/traces.ts'

const LOCKS: ReadonlySet<Kind> = new Set(['locks'])
const ALL: ReadonlySet<Kind> = new Set(['locks', 'views', 'variables'])

function draw(lines: readonly TraceLine[], kinds: ReadonlySet<Kind> = LOCKS): Diagram {
  return build(merge(lines), { kinds })
}

/** Three hosts, of which only the third asks: the example of the tutorials. */
function tutorial(): Tracing {
  const schedule = new Schedule().start()
  const tracing = new Tracing(schedule)
  const token = schedule.hold(3)
  schedule.run(3).world.release(3, token)
  schedule.run(20)
  return tracing
}

/** Hosts 2 and 3 ask at the same Lamport time. */
function tie(): Tracing {
  const schedule = new Schedule().start()
  // Its RELEASE leaves the clocks of the two others alike.
  schedule.world.release(1, schedule.hold(1))
  schedule.run(20)
  const tracing = new Tracing(schedule)
  const waiting = new Map([
    [3, schedule.acquire(3)],
    [2, schedule.acquire(2)],
  ])
  schedule.until(() => {
    for (const [host, id] of waiting) {
      const token = schedule.token(id)
      if (token === undefined) continue
      schedule.run(2).world.release(host, token)
      waiting.delete(host)
    }
    return waiting.size === 0
  })
  schedule.run(20)
  return tracing
}

const TUTORIAL = `\
time    kitchen (1)                 garage (2)                  attic (3)
        │                           │                           │
    1   │                           │                           ● asks for door
        │                           │                           │ REQUEST 3@1 → 1,2
        │                           │                           │ [3@1] {}
    2   │◀──────────────────────────┼─────────── REQUEST 3@1 ───┤
        │ [3@1]                     │                           │
    2   │                           │◀────────── REQUEST 3@1 ───┤
        │                           │ [3@1]                     │
    3   ● REPLY 1@3 → 3             │                           │
    3   │                           ● REPLY 2@3 → 3             │
    4   ├── REPLY 1@3 ──────────────┼──────────────────────────▶│
        │                           │                           │ [3@1] {1}
    5   │                           ├── REPLY 2@3 ─────────────▶│
        │                           │                           │ [3@1] {1,2}
    5   │                           │                           ╔═ door ═══╗
        │                           │                           ║ [3@1]    ║
    5   │                           │                           ╚══════════╝
    5   │                           │                           ● RELEASE 3@6 → 1,2
        │                           │                           │ []
    7   │◀──────────────────────────┼─────────── RELEASE 3@6 ───┤
        │ []                        │                           │
    7   │                           │◀────────── RELEASE 3@6 ───┤
        │                           │ []                        │
        │                           │                           │

[3@1] the queue in order, {1,2} who has replied, 3@1 host 3 at Lamport time 1
times are told less 46
`

test('one request of three hosts: six messages, 3@1 in all queues, and empty queues in the end', t => {
  const diagram = draw(tutorial().all())
  const labels = diagram.arrows.map(arrow => arrowLabel(diagram, arrow)).sort()
  t.deepEqual(labels, [
    'RELEASE 3@6',
    'RELEASE 3@6',
    'REPLY 1@3',
    'REPLY 2@3',
    'REQUEST 3@1',
    'REQUEST 3@1',
  ])
  t.true(diagram.arrows.every(({ deliver }) => deliver !== undefined))
  for (const row of [0, 1, 2]) {
    const queues = diagram.points.filter(point => point.row === row).map(({ queue }) => queue)
    t.true(queues.some(([first]) => first !== undefined && spellToken(diagram, first) === '3@1'))
    t.deepEqual(queues.at(-1), [])
  }
  const [section, ...more] = diagram.sections
  t.deepEqual(more, [])
  t.deepEqual([section?.row, section?.how, section?.names], [2, 'left', ['door']])
})

test('the same as text: three lines, six arrows with type and time, the section a box', t => {
  t.is(diagramText(draw(tutorial().all()), { columns: 92 }), TUTORIAL)
})

test('the same as a picture, with all its labels, light and dark, and told in words', t => {
  const svg = svgDocument(draw(tutorial().all()), 'One request')
  const count = (pattern: RegExp): number => [...svg.matchAll(pattern)].length
  t.is(count(/<line class="line"/g), 3)
  t.is(count(/<g class="arrow (request|reply|release)" /g), 6)
  t.is(count(/<text class="label (request|reply|release)" [^>]*>[A-Z]+ \d@\d/g), 6)
  t.is(count(/<rect class="box"/g), 1)
  t.regex(svg, />\[3@1\] \{1\}</)
  t.regex(svg, /prefers-color-scheme:dark/)
  t.regex(svg, /<desc id="d">attic \(3\) at 1: asks for door with 3@1; sends REQUEST 3@1/)
  t.notRegex(svg, /href|url\(|<script/)
})

test('of equal times the lower id enters first', t => {
  const diagram = draw(tie().all())
  const queues = new Set(diagram.points.map(point => queueLabel(diagram, point).split(']')[0]))
  t.true(queues.has('[2@1 3@1'))
  t.false(queues.has('[3@1 2@1'))
  const entered = diagram.sections
    .toSorted((a, b) => (a.enter?.index ?? 0) - (b.enter?.index ?? 0))
    .map(({ token }) => spellToken(diagram, token))
  t.deepEqual(entered, ['2@1', '3@1'])
  // Drawn: hosts one below the other, and time goes to the right.
  const svg = svgDocument(diagram, 'Two at once')
  const boxes = [...svg.matchAll(/<rect class="box" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)]
    .map(([, x, y, width]) => ({ y: Number(y), begin: Number(x), end: Number(x) + Number(width) }))
    .toSorted((a, b) => a.y - b.y)
  t.is(boxes.length, 2)
  t.true(boxes[0]!.end <= boxes[1]!.begin)
})

test('causes come before effects, in whatever order the traces are given and whatever clocks say', t => {
  const lines = tie().all()
  const diagram = draw(lines)
  t.deepEqual(causalFaults(diagram), [])
  const text = diagramText(diagram, { columns: 100 })
  const shuffled = [3, 1, 2].flatMap(host => lines.filter(line => line.host === host))
  t.is(diagramText(draw(shuffled), { columns: 100 }), text)
  const clocks = lines.map(line => ('at' in line ? { ...line, at: -7 * line.at } : line))
  t.is(diagramText(draw(clocks), { columns: 100 }), text)
  // Traces that overlap tell of nothing twice.
  t.is(diagramText(draw([...lines, ...shuffled]), { columns: 100 }), text)
})

test('a diagram whose effects come before their causes is found', t => {
  const diagram = draw(tutorial().all())
  const [arrow] = diagram.arrows
  const wrong = { ...arrow!, send: arrow!.deliver!, deliver: arrow!.send }
  t.is(causalFaults({ ...diagram, arrows: [wrong] }).length, 1)
  const moved = diagram.points.map(point => ({ ...point, column: -point.column }))
  t.true(causalFaults({ ...diagram, points: moved }).length > 0)
})

test('hosts that nobody traced are drawn as the others know them', t => {
  const diagram = draw(tutorial().of(3))
  t.deepEqual(
    diagram.hosts.map(({ isTraced }) => isTraced),
    [false, false, true],
  )
  t.is(diagram.arrows.length, 6)
  t.deepEqual(causalFaults(diagram), [])
  t.regex(svgDocument(diagram, ''), /host 1, not traced/)
})

test('a crash ends a section and what was under way; the others go on in a view without it', t => {
  const schedule = new Schedule().start()
  const tracing = new Tracing(schedule)
  schedule.hold(2)
  const waits = schedule.acquire(1)
  schedule.run(1)
  tracing.crash(2)
  schedule.world.crash(2)
  schedule.until(() => schedule.token(waits) !== undefined, 20_000)
  const diagram = draw(tracing.all())
  t.deepEqual(
    diagram.sections.map(({ row, how }) => [row, how]),
    [
      [1, 'crashed'],
      [0, 'open'],
    ],
  )
  t.true(diagram.lives.some(({ row, end }) => row === 1 && end?.entry?.type === 'crash'))
  const svg = svgDocument(diagram, '')
  t.regex(svg, />crash</)
  t.regex(svg, />view \d: 1 3</)
  t.regex(svg, /class="section bad"/)
  const text = diagramText(diagram, { columns: 100 })
  t.regex(text, /✗ crashes/)
  t.regex(text, /ended with its host/)
  t.deepEqual(causalFaults(draw(tracing.all(), ALL)), [])
})

test('what never arrives, and what went more than once, is marked', t => {
  const lines = tutorial().all()
  const isLost = (line: TraceLine): boolean =>
    line.type === 'deliver' && line.host === 1 && line.message.type === 'release'
  const release = lines.find(line => line.type === 'send' && line.message.type === 'release')
  const { n } = release as TraceEntry
  const trouble = ['lose', 'retransmit', 'retransmit'].map((type, at) => {
    return { ...release, type, n: n + 1 + 0.1 * (at + 1), to: 2 } as TraceEntry
  })
  const cut = {
    ...(lines.at(-1) as TraceEntry),
    type: 'disconnect',
    peer: 1,
    peerIncarnation: 1,
    n: 99,
  }
  const diagram = draw([...lines.filter(line => !isLost(line)), ...trouble, cut as TraceLine], ALL)
  const fates = diagram.arrows
    .filter(({ message }) => message.type === 'release')
    .map(arrow => fateText(diagram, arrow))
  t.deepEqual(fates, [
    'never delivered',
    'delivered at 7, taken for lost once, retransmitted 2 times',
  ])
  t.regex(svgDocument(diagram, ''), /class="arrow release undelivered"[^]*class="cross"/)
  t.regex(svgDocument(diagram, ''), /RELEASE 3@6 ↻2/)
  t.regex(diagramText(diagram, { columns: 100 }), /RELEASE 3@6 of 3@1 to kitchen \(1\): never/)
})

test('names from elsewhere are text and no markup', t => {
  const bad = '<script>alert(1)</script>"\u001b[31m'
  const lines = tutorial()
    .all()
    .map(line => JSON.parse(JSON.stringify(line).replaceAll('door', 'DOOR')) as TraceLine)
    .map(line => ('names' in line ? { ...line, names: [bad] } : line))
    .map(line => (line.type === 'hosts' ? { ...line, hosts: [{ id: 3, name: bad }] } : line))
  const svg = svgDocument(draw(lines), bad)
  t.notRegex(svg, /<script|\u001b/)
  t.notRegex(diagramText(draw(lines), { columns: 100 }), /\u001b/)
})

test('the log for ShiViz has the vector clock of each event', t => {
  const log = shiviz(draw(tie().all()))
  const clocks = new Map<string, Record<string, number>>()
  const events = [...log.matchAll(/(?<event>.*)\n(?<host>\S*) (?<clock>{.*})/g)]
  t.true(events.length > 15)
  t.is(log.split('\n').length, 2 * events.length + 1)
  for (const { groups } of events) {
    const { host = '', clock = '' } = groups ?? {}
    const now = JSON.parse(clock) as Record<string, number>
    const before = clocks.get(host) ?? {}
    t.is(now[host], (before[host] ?? 0) + 1)
    for (const [other, count] of Object.entries(now)) {
      t.true(count >= (before[other] ?? 0))
      // Nobody knows more of another than that one has done.
      if (other !== host) t.true(count <= (clocks.get(other)?.[other] ?? 0))
    }
    clocks.set(host, now)
  }
})

test('what is no trace is refused with the line and what to do', t => {
  const [entry] = tutorial().of(3).slice(1)
  const good = JSON.stringify(entry)
  t.like(parseTrace(good), { lines: [entry] })
  // A last line that was cut off.
  t.like(parseTrace(`${good}\n${good.slice(0, 30)}`), { lines: [entry] })
  const problems = {
    '': /no event is in it \(/,
    'hello\n': /^1: this line is not JSON \(/,
    [`${good}\n[]\n`]: /^2: this line is no object \(/,
    '{"type":"party"}\n': /"party" is not known \(/,
    '{"type":"start","host":1}\n': /incarnation, n, time, at missing/,
    '{"type":"hosts","version":7}\n': /version 7, this lamportctl reads 1 \(/,
    [`${good.replace('"names":["door"]', '"names":"door"')}\n`]: /names missing or wrong in/,
  }
  for (const [text, problem] of Object.entries(problems)) {
    const parsed = parseTrace(text)
    t.regex('problem' in parsed ? parsed.problem : '', problem, text)
  }
  t.is(typeof parseLine('{"type":"send"}'), 'string')
})
