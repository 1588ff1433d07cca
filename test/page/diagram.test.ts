import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'playwright-core'
import type { TraceLine } from '../../src/control/trace.ts'
import { openBrowser, watchedPage, type Watched } from '../helpers/browser.ts'
import { lamportctl } from '../helpers/lamportctl.ts'
import { coloursOf, isPicture } from '../helpers/painted.ts'
import { eventually } from '../helpers/processes.ts'
import { Schedule } from '../helpers/schedule.ts'
import { Tracing } from '../helpers/traces.ts'

/** Two hosts want the door, and the third looks on. */
function run(): readonly TraceLine[] {
  const schedule = new Schedule().start()
  const tracing = new Tracing(schedule)
  const first = schedule.hold(2)
  const second = schedule.acquire(3)
  schedule.run(5).world.release(2, first)
  schedule.until(() => schedule.token(second) !== undefined)
  schedule.world.release(3, schedule.token(second) ?? 0)
  schedule.run(20)
  return tracing.all()
}

/**
 * The host inside crashes, with a request on its way to it; the other two go on in a view of their
 * own. Its own request was lost once on its way to host 1.
 */
function trouble(): readonly TraceLine[] {
  const schedule = new Schedule().start()
  const tracing = new Tracing(schedule)
  schedule.hold(2)
  const waits = schedule.acquire(1)
  tracing.crash(2)
  schedule.world.crash(2)
  schedule.until(() => schedule.token(waits) !== undefined, 20_000)
  schedule.world.release(1, schedule.token(waits) ?? 0)
  schedule.run(20)
  const lines = tracing.all().flatMap((line): TraceLine[] => {
    const isOwn = line.type === 'send' && line.host === 2 && line.to === 1
    if (!isOwn || line.message.type !== 'request') return [line]
    return [line, { ...line, type: 'lose' }, { ...line, type: 'retransmit' }]
  })
  let n = 0
  return lines.map(line => {
    n = line.type === 'hosts' ? 0 : n + 1
    return line.type === 'hosts' ? line : { ...line, n }
  })
}

type Opened = Watched & { readonly browser: Browser; readonly file: string; readonly url: string }

/** A page with this trace in a browser; `undefined` where there is none. */
async function opened(
  t: ExecutionContext,
  lines: readonly TraceLine[],
): Promise<Opened | undefined> {
  t.timeout(120_000)
  const browser = await openBrowser(t)
  if (browser === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'lamport-page-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const trace = join(folder, 'run.trace')
  writeFileSync(trace, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  const file = join(folder, 'run.html')
  const made = lamportctl(['diagram', trace, '-o', file, '--title', 'A <run>'])
  t.is(await made.ended, 0, made.stderr)
  const watched = await watchedPage(browser)
  const url = pathToFileURL(file).href
  await watched.page.goto(url)
  return { ...watched, browser, file, url }
}

/** From where one is on to an event that reads like this. */
async function stepTo(page: Page, what: RegExp): Promise<void> {
  await page.focus('#stage')
  const count = await page.locator('.point').count()
  for (let step = 0; step < count; step++) {
    if (what.test(await page.locator('#now').innerText())) return
    await page.keyboard.press('ArrowRight')
  }
  throw new Error(`no event reads like ${what.source}`)
}

type Place = { readonly left: number; readonly zoom: number }

/** Where the drawing is, and how large. */
async function placeOf(page: Page): Promise<Place> {
  const text = (await page.locator('#drawing').getAttribute('transform')) ?? ''
  const [, left, zoom] = /^translate\((\S+) 0\) scale\((\S+)\)$/.exec(text) ?? []
  return { left: Number(left), zoom: Number(zoom) }
}

/** Equal but for the last bits. */
function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-6 * Math.max(1, Math.abs(b))
}

test.serial('a page asks nobody, and runs nothing but what belongs to it', async t => {
  const shown = await opened(t, run())
  if (shown === undefined) return
  const { page, faults, asked, file, url } = shown
  t.is(await page.title(), 'A <run>')
  t.is(await page.locator('.arrow').count(), 12)
  t.is(await page.locator('.box').count(), 2)
  await page.locator('summary').click()
  await page.locator('#list li').first().waitFor()
  t.is(await page.locator('#list li').count(), await page.locator('.point').count())
  t.deepEqual(faults, [])
  t.deepEqual(asked, [url])

  // A page that somebody has added to says so.
  const text = readFileSync(file, 'utf8')
  const script = /<script>([^]*?)<\/script>/.exec(text)?.[1] ?? ''
  t.true(text.includes(createHash('sha256').update(script).digest('base64')))
  writeFileSync(file, text.replace('</body>', '<script>document.title = "mine"</script></body>'))
  await page.goto(url)
  t.is(await page.title(), 'A <run>')
  t.regex(faults.join(), /Content Security Policy/)
})

test.serial('a message, a box and a point say what they are when they are pointed at', async t => {
  const shown = await opened(t, run())
  if (shown === undefined) return
  const { page, faults } = shown
  const tip = page.locator('#tip')
  const told = async (selector: string, at?: { x: number; y: number }): Promise<string> => {
    await page.locator('h1').hover()
    await tip.waitFor({ state: 'hidden' })
    await page
      .locator(selector)
      .first()
      .hover(at === undefined ? {} : { position: at })
    await tip.waitFor({ state: 'visible' })
    return (await tip.textContent()) ?? ''
  }
  t.regex(
    await told('.arrow.request .head'),
    /^REQUEST \d@\d+ for door\n.* → .*\nsent at \d+, delivered at \d+\nlock: door$/,
  )
  t.regex(
    await told('.section .box', { x: 12, y: 4 }),
    /^garage \(2\): door with 2@1, held for [\d.]+ ms \(token \d+\)$/,
  )
  t.is(
    await told('.point.request circle'),
    'garage (2) at 1: asks for door with 2@1; sends REQUEST 2@1 for door to kitchen (1), ' +
      'attic (3).\nqueue: 2@1; REPLIES to 2@1: nobody yet',
  )
  const box = await tip.boundingBox()
  const seen = page.viewportSize()
  t.true(box !== null && box.x >= 0 && box.x + box.width <= (seen?.width ?? 0))
  await page.locator('h1').hover()
  await tip.waitFor({ state: 'hidden' })
  t.deepEqual(faults, [])
})

test.serial(
  'keys step through all events, and queues and replies are those of the step',
  async t => {
    const shown = await opened(t, run())
    if (shown === undefined) return
    const { page, faults } = shown
    const now = page.locator('#now')
    const count = await page.locator('.point').count()
    await page.keyboard.press('Tab')
    await page.focus('#stage')
    const seen = new Set<string>()
    for (let step = 0; step < count; step++) {
      await page.keyboard.press('ArrowRight')
      seen.add((await now.textContent()) ?? '')
    }
    t.is(seen.size, count)
    t.true([...seen].some(text => /attic \(3\) at \d+: enters door/.test(text)))
    t.is(await page.locator('.halo').count(), 1)

    await page.keyboard.press('Home')
    const states = (): Promise<string[]> => page.locator('#states td').allTextContents()
    const [asked, one] = ['queue: 2@1; REPLIES to 2@1: nobody yet', 'queue: 2@1']
    const both = 'queue: 2@1, 3@4'
    for (const [what, ...expected] of [
      [/garage .* asks for door/, 'nothing yet', asked, 'nothing yet'],
      [
        /attic .* asks for door/,
        one,
        `${one}; REPLIES to 2@1: 1`,
        `${both}; REPLIES to 3@4: nobody yet`,
      ],
      [/garage .* enters door/, both, one, `${both}; REPLIES to 3@4: nobody yet`],
      [/attic .* gets REPLY 2@7/, both, 'queue: 3@4', `${both}; REPLIES to 3@4: 1, 2`],
      [/attic .* enters door/, 'queue: 3@4', 'queue: 3@4', 'queue: 3@4'],
      [/garage .* gets RELEASE 3@10/, 'queue: empty', 'queue: empty', 'queue: empty'],
    ] as const) {
      await stepTo(page, what)
      t.deepEqual(await states(), expected, what.source)
    }
    t.deepEqual(await page.locator('#states th').allTextContents(), [
      ...['kitchen (1)', 'garage (2)', 'attic (3)'],
    ])

    await page.keyboard.press('Home')
    t.regex((await now.textContent()) ?? '', /^1 of \d+\. .*asks for door/)
    await page.keyboard.press('Enter')
    t.regex((await now.textContent()) ?? '', /gets REQUEST/)
    await page.keyboard.press('Home')
    await page.keyboard.press('ArrowUp')
    t.regex((await now.textContent()) ?? '', /kitchen/)
    await page.keyboard.press('Escape')
    t.is(await page.locator('.halo').count(), 0)
    t.deepEqual(faults, [])
  },
)

test.serial('it is dragged, and zoomed by buttons, keys and the wheel', async t => {
  const shown = await opened(t, run())
  if (shown === undefined) return
  const { page, faults } = shown
  const first = await placeOf(page)
  t.is(first.zoom, 1)
  await page.click('#in')
  t.is((await placeOf(page)).zoom, 1.25)
  await page.focus('#stage')
  await page.keyboard.press('+')
  t.is((await placeOf(page)).zoom, 1.5625)

  const before = await placeOf(page)
  const drag = async (from: number, to: number): Promise<void> => {
    await page.mouse.move(from, 300)
    await page.mouse.down()
    await page.mouse.move(to, 300, { steps: 4 })
    await page.mouse.up()
  }
  await drag(600, 500)
  const dragged = await placeOf(page)
  t.true(isNear(dragged.left, before.left - 100), `${dragged.left} after ${before.left}`)
  t.is(dragged.zoom, before.zoom)
  // The button is up: it is not dragged any further.
  await page.mouse.move(300, 300)
  t.deepEqual(await placeOf(page), dragged)
  await drag(500, 600)
  t.true(isNear((await placeOf(page)).left, before.left))
  t.is(await page.locator('.halo').count(), 0)

  await page.keyboard.press('-')
  t.true(isNear((await placeOf(page)).zoom, 1.25))
  await page.click('#out')
  t.true(isNear((await placeOf(page)).zoom, 1))
  const wheel = async (by: number, isSo: (zoom: number) => boolean): Promise<void> => {
    await page.mouse.move(600, 300)
    await page.keyboard.down('Control')
    await page.mouse.wheel(0, by)
    await page.keyboard.up('Control')
    await eventually(`the wheel zooms by ${by}`, async () => isSo((await placeOf(page)).zoom))
  }
  await wheel(-300, zoom => isNear(zoom, Math.E))
  await wheel(450, zoom => isNear(zoom, Math.exp(-0.5)))

  await page.focus('#stage')
  for (let times = 0; times < 3; times++) await page.keyboard.press('+')
  await drag(600, 560)
  await page.keyboard.press('0')
  const fit = await placeOf(page)
  t.is(fit.left, first.left)
  t.true(fit.zoom <= 1)
  const [drawn, stage] = [
    await page.locator('#drawing').boundingBox(),
    await page.locator('#stage').boundingBox(),
  ]
  t.true((drawn?.x ?? 0) + (drawn?.width ?? 0) <= (stage?.x ?? 0) + (stage?.width ?? 0))
  await page.keyboard.press('-')
  await page.click('#fit')
  t.deepEqual(await placeOf(page), fit)

  await page.locator('.point.enter circle').first().click()
  t.regex(await page.locator('#now').innerText(), /enters door/)
  t.is(await page.locator('.halo').count(), 1)
  t.deepEqual(faults, [])
})

test.serial('a crash, what is lost, what goes again and views have their marks', async t => {
  const shown = await opened(t, trouble())
  if (shown === undefined) return
  const { page, faults } = shown
  t.is(await page.locator('.point.crash .cross').count(), 1)
  t.deepEqual(await page.locator('.point.crash text').allTextContents(), ['crash'])
  t.is(await page.locator('.section.bad .box').count(), 1)
  t.deepEqual(await page.locator('.point.view text').allTextContents(), [
    ...['view 3: 1 3', 'view 3: 1 3'],
  ])

  const tip = page.locator('#tip')
  await page.locator('text.label', { hasText: 'REQUEST 2@1 ↻1' }).hover()
  await tip.filter({ hasText: 'delivered at 2, taken for lost once, retransmitted once' }).waitFor()
  t.is(await page.locator('.arrow.request:not(.undelivered) .cross').count(), 1)
  t.is(await page.locator('.arrow.undelivered .cross').count(), 1)
  await page.locator('.arrow.undelivered .head').hover()
  await tip.filter({ hasText: /garage \(2\)\nsent at 4, never delivered/ }).waitFor()

  const counted = async (): Promise<[number, number, number]> => {
    const [, events, messages] =
      /^(\d+) events, (\d+) messages/.exec(await page.locator('#count').innerText()) ?? []
    return [Number(events), Number(messages), await page.locator('.arrow.views').count()]
  }
  await page.click('#fit')
  const before = await counted()
  t.deepEqual(before.slice(1), [await page.locator('.arrow').count(), 0])
  await page.check('#views')
  await page.click('#fit')
  const [events, messages, views] = await counted()
  t.true(events > before[0])
  t.true(views > 0)
  t.is(messages, before[1] + views)
  t.regex((await page.locator('text.label.views').allTextContents()).join(), /PREPARE 1@\d/)
  await page.uncheck('#views')
  t.deepEqual(await counted(), before)

  await page.locator('summary').click()
  const lost = page.locator('#list li', { hasText: 'never delivered' })
  await lost.waitFor()
  t.deepEqual(await lost.allTextContents(), ['REQUEST 1@4 for door: never delivered'])
  await stepTo(page, /garage .* crashes/)
  t.is(await page.locator('.halo').count(), 1)
  t.deepEqual(faults, [])
})

test.serial('it is painted, light and dark', async t => {
  const shown = await opened(t, trouble())
  if (shown === undefined) return
  const { page, browser, file } = shown
  for (const [colorScheme, paper, ...inks] of [
    ['light', '#ffffff', '#1f5fbf', '#14763f', '#bf2630', '#7a3fb0', '#1c2430'],
    ['dark', '#12161d', '#83b4ff', '#65d39b', '#ff8087', '#cba2ff', '#e6ebf2'],
  ] as const) {
    await page.emulateMedia({ colorScheme })
    const path = `${file}.${colorScheme}.png`
    await page.locator('#stage').screenshot({ path })
    const png = readFileSync(path)
    t.true(isPicture(png), `${png.length} bytes`)
    const colours = await coloursOf(browser, png)
    const [most] = [...colours].sort(([, a], [, b]) => b - a)[0] ?? []
    t.is(most, paper)
    for (const ink of inks) t.true((colours.get(ink) ?? 0) >= 10, `${colorScheme}: ${ink}`)
  }
})
