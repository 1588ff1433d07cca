import { isIP } from 'node:net'

/** Where a page is served. */
export type Listen = { readonly host: string; readonly port: number }

/** `ADDRESS:PORT`, `[ADDRESS]:PORT` or `PORT`; or what is wrong with it. */
export function parseListen(text: string): Listen | { readonly problem: string } {
  const found = /^(?:\[([0-9a-f:.]+)\]:|([^:]+):)?(\d{1,5})$/i.exec(text)
  const host = found?.[1] ?? found?.[2] ?? '127.0.0.1'
  const port = Number(found?.[3])
  if (found === null || port > 65_535 || (isIP(host) === 0 && host !== 'localhost')) {
    return {
      problem: `--listen is ${JSON.stringify(text)} (write an address and a port, such as 127.0.0.1:7480)`,
    }
  }
  return { host, port }
}

/** Whether only this machine reaches it. */
export function isLoopback({ host }: Listen): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/**
 * Whether a request names us as what we are: a page of somebody else whose name is made to lead here
 * (DNS rebinding) names itself.
 */
export function isOurs(header: string | undefined, { host, port }: Listen): boolean {
  const names = new Set([host.includes(':') ? `[${host}]` : host])
  if (isLoopback({ host, port }))
    for (const name of ['localhost', '127.0.0.1', '[::1]']) names.add(name)
  const said = (header ?? '').toLowerCase()
  const isAny = host === '0.0.0.0' || host === '::'
  for (const name of names)
    if (said === `${name}:${port}` || (port === 80 && said === name)) return true
  // Where it listens on all addresses, any address will do, but no name.
  return (
    isAny && /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]):\d+$/.test(said) && said.endsWith(`:${port}`)
  )
}

/** As it is written in a browser. */
export function urlOf({ host, port }: Listen): string {
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}/`
}
