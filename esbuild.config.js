import { chmodSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { buildChunks } from './chunks.config.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

const common = {
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  define: { LAMPORTD_VERSION: JSON.stringify(version) },
}

const programs = { lamportd: 'src/daemon/main.ts', 'lamport-bank': 'src/examples/bank/main.ts' }
for (const [name, source] of Object.entries(programs)) {
  const outfile = `dist/${name}.js`
  await build({
    ...common,
    entryPoints: [source],
    outfile,
    bundle: true,
    format: 'esm',
    sourcemap: 'linked',
    external: ['lmdb'],
    // CommonJS dependencies call `require` for what Node brings.
    banner: {
      js:
        '#!/usr/bin/env node\n' +
        "import { createRequire as lamportRequire } from 'node:module'\n" +
        'const require = lamportRequire(import.meta.url)',
    },
  })
  chmodSync(outfile, 0o755)
}

// What few commands of lamportctl need is a file beside it, read by those alone that import it.
const parts = [
  { file: 'lamportctl-simulator.cjs', folders: /\/(sim|simulate)\/[^/]+\.ts$/, entries: new Set() },
  {
    file: 'lamportctl-diagram.cjs',
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

// lamportctl stands in many a cron line, and has to start fast: see `npm run bench:start`.
const lamportctl = {
  ...common,
  entryPoints: ['src/ctl/main.ts'],
  outfile: 'dist/lamportctl.cjs',
  plugins: [apart],
}
// Coverage is traced back to the sources by the map of a whole bundle.
if (process.argv.includes('--whole')) {
  await build({
    ...lamportctl,
    bundle: true,
    format: 'cjs',
    sourcemap: 'linked',
    define: { ...common.define, 'import.meta.url': '"file:///"' },
    banner: { js: '#!/usr/bin/env node' },
  })
} else {
  await buildChunks(lamportctl)
}
chmodSync(lamportctl.outfile, 0o755)
rmSync('dist/lamportctl.js', { force: true })
symlinkSync('lamportctl.cjs', 'dist/lamportctl.js')

/** What runs in a browser: text, put into the program that writes or serves it. */
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

const pages = {
  LAMPORTD_DIAGRAM_PAGE: await page('src/page/diagram.ts'),
  LAMPORTD_DASHBOARD_PAGE: await page('src/page/dashboard.ts'),
}

for (const { file, entries } of parts) {
  const contents = [...entries].map(path => `export * from ${JSON.stringify(path)}\n`).join('')
  await build({
    ...common,
    stdin: { contents, resolveDir: '.' },
    outfile: `dist/${file}`,
    bundle: true,
    format: 'cjs',
    sourcemap: 'linked',
    define: { ...common.define, ...pages, 'import.meta.url': 'lamportUrl' },
    banner: { js: "const lamportUrl = require('node:url').pathToFileURL(__filename).href" },
  })
}
