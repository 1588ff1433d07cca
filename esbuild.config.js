import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// lamportctl runs in every cron line: one file starts in half the time of a tree of modules.
const programs = { lamportctl: 'src/ctl/main.ts', lamportd: 'src/daemon/main.ts' }

// The simulator is a file beside lamportctl, read by those commands alone that import it.
const SIMULATOR = 'lamportctl-simulator.js'
const simulated = new Set()
const apart = {
  name: 'apart',
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/(sim|simulate)\/[^/]+\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined
      simulated.add(join(resolveDir, path))
      return { path: `./${SIMULATOR}`, external: true }
    })
  },
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
    define: { LAMPORTD_VERSION: JSON.stringify(version) },
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
const contents = [...simulated].map(path => `export * from ${JSON.stringify(path)}\n`).join('')
await bundle(`dist/${SIMULATOR}`, { stdin: { contents, resolveDir: '.' } })
