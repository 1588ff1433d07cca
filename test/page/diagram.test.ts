import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { openBrowser, watchedPage } from '../helpers/browser.ts'
import { lamportctl } from '../helpers/lamportctl.ts'
import { Schedule } from '../helpers/schedule.ts'
import { Tracing } from '../helpers/traces.ts'

/** Two hosts want the door, and the third looks on. */
function run(): Tracing {
  const schedule = new Schedule().start()
  const tracing = new Tracing(schedule)
  const first = schedule.hold(2)
  const second = schedule.acquire(3)
  schedule.run(5).world.release(2, first)
  schedule.until(() => schedule.token(second) !== undefined)
  schedule.world.release(3, schedule.token(second) ?? 0)
  schedule.run(20)
  return tracing
}

test.serial(
  'a page asks nobody, says what is pointed at, and is stepped through by keys',
  async t => {
    t.timeout(60_000)
    const browser = await openBrowser(t)
    if (browser === undefined) return
    const folder = mkdtempSync(join(tmpdir(), 'lamport-page-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const tracing = run()
    const files = [1, 2, 3].map(host => {
      const file = join(folder, `${host}.trace`)
      writeFileSync(file, tracing.text(host))
      return file
    })
    const file = join(folder, 'run.html')
    const made = lamportctl(['diagram', ...files, '-o', file, '--title', 'A <run>'])
    t.is(await made.ended, 0, made.stderr)
    const url = pathToFileURL(file).href
    const { page, faults, asked } = await watchedPage(browser)
    await page.goto(url)
    t.is(await page.title(), 'A <run>')
    t.is(await page.locator('.arrow').count(), 12)
    t.is(await page.locator('.box').count(), 2)

    await page.locator('.arrow.request .head').first().hover()
    const tip = page.locator('#tip')
    await tip.waitFor({ state: 'visible' })
    t.regex(
      (await tip.textContent()) ?? '',
      /^REQUEST \d@\d+ for door\n.* → .*\nsent at \d+, delivered at \d+\nlock: door$/,
    )
    await page.locator('h1').hover()
    await tip.waitFor({ state: 'hidden' })

    await page.keyboard.press('Tab')
    await page.focus('#stage')
    const now = page.locator('#now')
    const seen = new Set<string>()
    const count = await page.locator('.point').count()
    for (let step = 0; step < count; step++) {
      await page.keyboard.press('ArrowRight')
      seen.add((await now.textContent()) ?? '')
    }
    t.is(seen.size, count)
    t.true([...seen].some(text => /attic \(3\) at \d+: enters door/.test(text)))
    t.is(await page.locator('.halo').count(), 1)
    await page.keyboard.press('Home')
    t.regex((await now.textContent()) ?? '', /^1 of \d+\. .*asks for door/)
    await page.keyboard.press('Enter')
    t.regex((await now.textContent()) ?? '', /gets REQUEST/)
    await page.keyboard.press('ArrowUp')
    const states = await page.locator('#states tr').allTextContents()
    t.is(states.length, 3)
    t.true(states.every(text => /queue: |nothing yet/.test(text)))
    await page.keyboard.press('Escape')
    t.is(await page.locator('.halo').count(), 0)

    const place = (): Promise<string | null> => page.locator('#drawing').getAttribute('transform')
    const before = await place()
    await page.keyboard.press('+')
    t.not(await place(), before)
    await page.mouse.move(600, 300)
    await page.mouse.down()
    await page.mouse.move(400, 300, { steps: 4 })
    await page.mouse.up()
    t.regex((await place()) ?? '', /scale\(1\.25\)/)
    await page.keyboard.press('0')

    await page.locator('summary').click()
    await page.locator('#list li').first().waitFor()
    t.is(await page.locator('#list li').count(), count)
    await page.check('#views')
    t.true((await page.locator('.arrow').count()) >= 12)
    t.deepEqual(faults, [])
    t.deepEqual(asked, [url])

    const colours = new Set<string>()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      colours.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
    }
    t.is(colours.size, 2)

    // Nothing runs in it but what belongs there: a page that somebody has added to says so.
    const text = readFileSync(file, 'utf8')
    const script = /<script>([^]*?)<\/script>/.exec(text)?.[1] ?? ''
    t.true(text.includes(createHash('sha256').update(script).digest('base64')))
    writeFileSync(file, text.replace('</body>', '<script>document.title = "mine"</script></body>'))
    await page.goto(url)
    t.is(await page.title(), 'A <run>')
    t.regex(faults.join(), /Content Security Policy/)
  },
)
