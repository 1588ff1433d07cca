import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// lamportctl runs in every cron line: one file starts in half the time of a tree of modules.
const programs = {
  lamportctl: 'src/ctl/main.ts',
  lamportd: 'src/daemon/main.ts',
  'lamport-bank': 'src/examples/bank/main.ts',
}

for (const [name, source] of Object.entries(programs)) {
  if (!existsSync(source)) continue
  const outfile = `dist/${name}.js`
  await build({
    entryPoints: [source],
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
  chmodSync(outfile, 0o755)
}
