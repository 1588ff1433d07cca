import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'playwright-core'
import { openBrowser, watchedPage, type Watched } from '../helpers/browser.ts'
import { lamportctl } from '../helpers/lamportctl.ts'
import { coloursOf, isPicture } from '../helpers/painted.ts'

/** Where something is on the screen, and what it says when one points at it. */
type Shape = {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
  readonly text: string
}

/** Boxes are of single precision in browsers; a bar of a host that was inside is far wider. */
const SMALL = 0.01

function shapesOf(page: Page, selector: string): Promise<readonly Shape[]> {
  return page.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map(each => {
    const { left, right, top, bottom } = each.getBoundingClientRect()
    return { left, right, top, bottom, text: each.textContent }
  })`)
}

type Shown = Watched & { readonly browser: Browser; readonly url: string }

/** A picture of a run, as a browser shows it; `undefined` where there is none. */
async function pictured(t: ExecutionContext, args: readonly string[]): Promise<Shown | undefined> {
  t.timeout(120_000)
  const browser = await openBrowser(t)
  if (browser === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'lamport-page-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'run.svg')
  const running = lamportctl(['simulate', ...args, '--svg', file])
  t.is(await running.ended, 0, running.stderr)
  const watched = await watchedPage(browser)
  const url = pathToFileURL(file).href
  await watched.page.goto(url)
  return { ...watched, browser, url }
}

/** The pairs of which one begins before the other has ended. */
function overlapping(bars: readonly Shape[]): readonly string[] {
  const inOrder = [...bars].sort((a, b) => a.left - b.left)
  return inOrder.flatMap((bar, i) => {
    const before = inOrder[i - 1]
    return before === undefined || before.right <= bar.left + SMALL
      ? []
      : [`${before.text} to ${before.right}, ${bar.text} from ${bar.left}`]
  })
}

/** Whether it is at the height of this. */
function isBeside(shape: Shape, row: Shape): boolean {
  const middle = (row.top + row.bottom) / 2
  return shape.top < middle && middle < shape.bottom
}

const RUN = ['--hosts', '5', '--entries', '5', '--hold', '100ms', '--loss', '20%', '--seed', '1']

test.serial(
  'a picture of a run: bars beside each other, waits of each host, and a death',
  async t => {
    const shown = await pictured(t, [...RUN, '--kill', '2@1s'])
    if (shown === undefined) return
    const { page, browser, faults, asked, url } = shown
    const names = (await shapesOf(page, 'text.end')).filter(({ text }) => text !== 'all')
    t.deepEqual(
      names.map(({ text }) => text),
      ['host 1', 'host 2', 'host 3', 'host 4', 'host 5'],
    )
    const [all] = (await shapesOf(page, 'text.end')).filter(({ text }) => text === 'all')
    const bars = await shapesOf(page, 'rect.use')
    const rows = [...names, ...(all === undefined ? [] : [all])].map(name =>
      bars.filter(bar => isBeside(bar, name)),
    )
    t.is(rows.length, 6)
    t.is(rows.flat().length, bars.length)
    const [own, lane] = [rows.slice(0, 5).flat(), rows[5] ?? []]
    t.true(own.length >= 20)
    t.is(lane.length, own.length)
    t.true(bars.every(({ left, right, top, bottom }) => right - left > 2 && bottom - top > 8))
    for (const [i, row] of rows.entries()) {
      t.true(row.length > 0)
      t.deepEqual(overlapping(row), [], `row ${i + 1}`)
    }
    t.deepEqual(overlapping(own), [])

    // The other half: how long each host waited.
    const waits = (await shapesOf(page, 'rect:has(title)')).filter(({ text }) => /least/.test(text))
    t.is(waits.length, 5)
    const end = Math.max(...bars.map(({ right }) => right))
    for (const [i, name] of names.entries()) {
      const [wait, ...more] = waits.filter(each => isBeside(each, name))
      t.deepEqual(more, [])
      t.regex(wait?.text ?? '', new RegExp(`^host ${i + 1}: least .*, median .*, most `))
      t.true(wait !== undefined && wait.right - wait.left > 1 && wait.left > end)
    }
    const spans = (await shapesOf(page, 'line.mark')).filter(each =>
      names.some(n => isBeside(each, n)),
    )
    t.is(spans.length, 5)

    const deaths = (await shapesOf(page, 'path.dead')).filter(({ text }) => text !== '')
    t.deepEqual(
      deaths.map(({ text }) => text),
      ['host 2 was killed at 1 s'],
    )
    const [death] = deaths
    const [tick] = (await shapesOf(page, 'text.small.mid')).filter(({ text }) => text === '1')
    t.true(death !== undefined && names[1] !== undefined && isBeside(death, names[1]))
    t.true(Math.abs(middleOf(death) - middleOf(tick)) < 1, 'it stands at its time')
    for (const [colorScheme, bad, around, bar] of [
      ['light', '#c62f3b', '#ffffff', '#e0852a'],
      ['dark', '#ff7a82', '#12171d', '#f3a65a'],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      const whole = await page.screenshot()
      t.true(isPicture(whole), `${whole.length} bytes`)
      // It died inside, and the cross is told from the bar that it stands on.
      const clip = clipOf(death)
      const colours = await coloursOf(browser, await page.screenshot({ clip }))
      for (const colour of [bad, around, bar]) {
        t.true((colours.get(colour) ?? 0) >= 5, `${colorScheme}: ${colour}`)
      }
    }
    t.deepEqual(faults, [])
    t.deepEqual(asked, [url])
  },
)

/** The part of the screen that it takes, and a little around it. */
function clipOf(shape: Shape | undefined): { x: number; y: number; width: number; height: number } {
  const { left, right, top, bottom } = shape ?? { left: 0, right: 1, top: 0, bottom: 1 }
  return { x: left - 4, y: top - 4, width: right - left + 8, height: bottom - top + 8 }
}

function middleOf(shape: Shape | undefined): number {
  return shape === undefined ? NaN : (shape.left + shape.right) / 2
}
