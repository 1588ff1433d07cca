import { request } from 'node:http'
import { createServer } from 'node:net'
import test from 'ava'
import type { Locator } from 'playwright-core'
import { isOurs, parseListen, urlOf } from '../../src/dashboard/address.ts'
import { openBrowser, watchedPage } from '../helpers/browser.ts'
import { Cluster } from '../helpers/cluster.ts'
import { lamportctl } from '../helpers/lamportctl.ts'

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

test('without an address it is on loopback alone, at 7480', async t => {
  // Whoever has it already, or this test: it is not to be had, and lamportctl names it.
  const taken = createServer()
  t.teardown(() => void taken.close())
  await new Promise<void>((resolve, reject) => {
    taken.once('listening', resolve)
    taken.once('error', error => ('code' in error ? resolve() : reject(error)))
    taken.listen(7480, '127.0.0.1')
  })
  const asked = lamportctl(['dashboard'], { socket: '/nonexistent/lamport.sock' })
  t.is(await asked.ended, 69)
  t.is(asked.stdout, '')
  t.is(
    asked.stderr,
    'lamportctl: 127.0.0.1:7480 cannot be had: EADDRINUSE (choose another with --listen)\n',
  )
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

/** What stands in a row. */
function cellsOf(row: Locator): Promise<string[]> {
  return row.locator('th, td').allTextContents()
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
  const peer = page.locator('#hosts tr.member', { hasText: 'host-2 (2)' })
  await peer.filter({ hasText: / ms/ }).waitFor()
  const [, state, address, rtt, loss] = await cellsOf(peer)
  t.deepEqual([state, address], ['member', `${cluster.host(2).address}:${cluster.host(2).port}`])
  t.regex(rtt ?? '', /^\d+\.\d\d ms$/)
  t.true(Number.parseFloat(rtt ?? '') > 0)
  t.regex(loss ?? '', /^\d+\.\d %$/)
  const self = await cellsOf(page.locator('#hosts tr', { hasText: 'host-1 (1)' }))
  t.deepEqual([self[1], ...self.slice(3)], ['member, this host', '–', '–'])
  await page.locator('#health.good', { hasText: 'a majority is there' }).waitFor()
  const held = cluster.host(2).ctl('lock', '--why', 'the test', 'door')
  await held.said(/held/)
  await page.locator('#locks tr.held', { hasText: 'the test' }).waitFor()
  const waits = host.ctl('lock', '--why', 'the next', 'door')
  const waiter = page.locator('#locks tr.waits', { hasText: 'the next' })
  await waiter.waitFor()
  const [lock, place, whose, since] = await cellsOf(waiter)
  t.deepEqual([lock, place, whose], ['door', 'waits (1)', 'host-1'])
  t.regex(since ?? '', /^\d+(\.\d)? s$/)
  t.is(await page.locator('#locks tr').count(), 2)
  await page.locator('#lock option', { hasText: 'door' }).waitFor({ state: 'attached' })
  await page.selectOption('#lock', 'door')
  await page.locator('.arrow.request').first().waitFor()
  held.child.stdin.end()
  await held.exited
  await waits.said(/held/)
  await page.locator('#locks tr.held', { hasText: 'the next' }).waitFor()
  t.is(await waiter.count(), 0)
  waits.child.stdin.end()
  await waits.exited
  await page.locator('.arrow.release').first().waitFor()
  await page.locator('#locks', { hasText: 'no lock is in use' }).waitFor()

  await cluster.host(2).outcome('set', 'motd', 'another')
  const value = page.locator('#vars tr', { hasText: 'motd' })
  await value.filter({ hasText: 'another' }).waitFor()
  t.deepEqual(await cellsOf(value), ['motd', 'another', '2', 'host-2'])
  t.is(await page.locator('#vars', { hasText: 'bold' }).count(), 0)

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
