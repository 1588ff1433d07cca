import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const unit = fileURLToPath(new URL('../../systemd/lamportd.service', import.meta.url))

/** What the service is started with, so that what is measured is what runs on the boxes. */
export function unitEnvironment(): Record<string, string> {
  const lines = readFileSync(unit, 'utf8').matchAll(/^Environment=(\w+)=(.*)$/gm)
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]))
}
