import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pages } from './pages.ts'

const folder = fileURLToPath(new URL('../../man/', import.meta.url))
mkdirSync(folder, { recursive: true })
for (const [name, page] of await pages()) writeFileSync(join(folder, name), page)
