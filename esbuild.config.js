import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// lamportctl runs in every cron line: one file starts in half the time of a tree of modules.
const programs = { lamportctl: 'src/ctl/main.ts', lamportd: 'src/daemon/main.ts' }

// What few commands need is a file beside lamportctl, read by those alone that import it.
const parts = [
  { file: 'lamportctl-simulator.js', folders: /\/sim\/[^/]+\.ts$/, entries: new Set() },
  {
    file: 'lamportctl-diagram.js',
    folders: /\/(diagram|dashboard)\/[^/]+\.ts$/,
    entries: new Set(),
  },
]
const apart = {
  name: 'apart',
  setup: ({ onResolve }) => {
    for (const { file, folders, entries } of parts) {
      onResolve({ filter: folders }, ({ kind, path, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined
        entries.add(join(resolveDir, path))
        return { path: `./${file}`, external: true }
      })
    }
  },
}

/** What runs in a browser: text, put into the program that serves it. */
async function page(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    minify: true,
    charset: 'ascii',
  })
  return JSON.stringify(outputFiles[0].text)
}

const define = {
  LAMPORTD_VERSION: JSON.stringify(version),
  LAMPORTD_DIAGRAM_PAGE: await page('src/page/diagram.ts'),
  LAMPORTD_DASHBOARD_PAGE: await page('src/page/dashboard.ts'),
}

async function bundle(outfile, input) {
  await build({
    ...input,
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    external: ['lmdb'],
    define,
    // CommonJS dependencies call `require` for what Node brings.
    banner: {
      js:
        '#!/usr/bin/env node\n' +
        "import { createRequire as lamportRequire } from 'node:module'\n" +
        'const require = lamportRequire(import.meta.url)',
    },
  })
}

for (const [name, source] of Object.entries(programs)) {
  const outfile = `dist/${name}.js`
  await bundle(outfile, { entryPoints: [source], plugins: [apart] })
  chmodSync(outfile, 0o755)
}
for (const { file, entries } of parts) {
  const contents = [...entries].map(path => `export * from ${JSON.stringify(path)}\n`).join('')
  if (entries.size > 0) await bundle(`dist/${file}`, { stdin: { contents, resolveDir: '.' } })
}
