import { request } from 'node:http'
import test from 'ava'
import { isOurs, parseListen, urlOf } from '../../src/dashboard/address.ts'
import { openBrowser, watchedPage } from '../helpers/browser.ts'
import { Cluster } from '../helpers/cluster.ts'

test('an address is understood, and a request by another name is not answered', t => {
  t.deepEqual(parseListen('127.0.0.1:7480'), { host: '127.0.0.1', port: 7480 })
  t.deepEqual(parseListen('[::1]:80'), { host: '::1', port: 80 })
  t.deepEqual(parseListen('7481'), { host: '127.0.0.1', port: 7481 })
  for (const wrong of ['', 'x', '1.2.3.4', 'example.org:80', '127.0.0.1:70000', '::1:80']) {
    t.true('problem' in parseListen(wrong), wrong)
  }
  const own = { host: '127.0.0.1', port: 7480 }
  for (const name of ['127.0.0.1:7480', 'localhost:7480', '[::1]:7480', 'LOCALHOST:7480']) {
    t.true(isOurs(name, own), name)
  }
  for (const name of [
    undefined,
    '',
    'evil.example:7480',
    'localhost',
    '127.0.0.1:80',
    '10.0.0.1:7480',
  ]) {
    t.false(isOurs(name, own), name)
  }
  const all = { host: '0.0.0.0', port: 7480 }
  t.true(isOurs('192.168.1.21:7480', all))
  t.false(isOurs('evil.example:7480', all))
  t.false(isOurs('localhost:7480', { host: '192.168.1.21', port: 7480 }))
  t.is(urlOf({ host: '::', port: 1 }), 'http://[::1]:1/')
})

/** The status of an answer, and its headers. */
function ask(
  port: number,
  options: { readonly method?: string; readonly path?: string; readonly host?: string },
): Promise<[number, Record<string, unknown>]> {
  const { method = 'GET', path = '/', host = `127.0.0.1:${port}` } = options
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', method, path, headers: { host } }, answer => {
      answer.resume()
      resolve([answer.statusCode ?? 0, answer.headers])
      if (path === '/events') answer.destroy()
    })
    asked.on('error', reject).end()
  })
}

test.serial('a page shows locks, hosts, variables and a diagram that grows', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2] })
  const host = cluster.host(1)
  await host.outcome('set', 'motd', '<b>bold</b>')
  const served = host.ctl('--json', 'dashboard', '--listen', '127.0.0.1:0')
  const [, url = ''] = await served.said(/"url":"([^"]+)"/)
  const port = Number(new URL(url).port)
  t.is((await ask(port, {}))[0], 200)
  t.is((await ask(port, { host: 'evil.example' }))[0], 421)
  t.is((await ask(port, { host: 'evil.example', path: '/events' }))[0], 421)
  t.is((await ask(port, { method: 'POST' }))[0], 405)
  t.is((await ask(port, { path: '/../etc/passwd' }))[0], 404)
  const [status, headers] = await ask(port, { path: '/events' })
  t.is(status, 200)
  t.is(headers['access-control-allow-origin'], undefined)

  const browser = await openBrowser(t)
  if (browser === undefined) return
  const { page, faults, asked } = await watchedPage(browser, { colorScheme: 'dark' })
  await page.goto(url)
  await page.locator('#hosts tr', { hasText: 'host-2 (2)' }).waitFor()
  await page.locator('#vars tr', { hasText: '<b>bold</b>' }).waitFor()
  await page.locator('#health.good', { hasText: 'a majority is there' }).waitFor()
  const held = cluster.host(2).ctl('lock', '--why', 'the test', 'door')
  await held.said(/held/)
  await page.locator('#locks tr.held', { hasText: 'the test' }).waitFor()
  await page.locator('#lock option', { hasText: 'door' }).waitFor({ state: 'attached' })
  await page.selectOption('#lock', 'door')
  await page.locator('.arrow.request').first().waitFor()
  held.child.stdin.end()
  await held.exited
  await page.locator('.arrow.release').first().waitFor()
  await page.locator('#locks', { hasText: 'no lock is in use' }).waitFor()

  // Whoever looks at something is not moved away from it.
  await page.focus('#stage')
  await page.keyboard.press('End')
  t.false(await page.isChecked('#live'))
  const now = await page.locator('#now').textContent()
  await cluster.host(2).outcome('lock', 'door', 'true')
  t.is(await page.locator('#now').textContent(), now)
  const arrows = await page.locator('.arrow').count()
  await page.check('#live')
  await page.waitForFunction(`document.querySelectorAll('.arrow').length > ${arrows}`)
  t.deepEqual(faults, [])
  t.deepEqual(asked, [url, `${url}events`])
  served.kill('SIGTERM')
  t.is(await served.exited, 'SIGTERM')
  await page.locator('#health', { hasText: 'is not reached' }).waitFor()
})
