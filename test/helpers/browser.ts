import { existsSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

/** Where Debian has it, and where others do. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** What a page did that it should not, beside itself. */
export type Watched = { readonly page: Page; readonly faults: string[]; readonly asked: string[] }

/**
 * A browser, gone when the test has ended; `undefined` where this machine has none, which fails in
 * CI and is said elsewhere.
 */
export async function openBrowser(t: ExecutionContext): Promise<Browser | undefined> {
  const executablePath = PLACES.find(place => existsSync(place))
  if (executablePath === undefined) {
    t.log('not tested: there is no chromium here (apt-get install chromium)')
    if (process.env.CI === 'true') t.fail('there is no chromium')
    else t.pass()
    return undefined
  }
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(() => browser.close())
  return browser
}

/** A page whose errors and requests are written down. */
export async function watchedPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const page = await browser.newPage(options)
  const [faults, asked]: [string[], string[]] = [[], []]
  page.on('console', message => faults.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', error => faults.push(error.message))
  page.on('request', request => asked.push(request.url()))
  return { page, faults, asked }
}
