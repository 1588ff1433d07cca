import { chmodSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { build } from 'esbuild'
import { buildChunks } from './chunks.config.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

const programs = {
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

// lamportctl stands in many a cron line, and has to start fast: see `npm run bench:start`.
const lamportctl = {
  entryPoints: ['src/ctl/main.ts'],
  outfile: 'dist/lamportctl.cjs',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  define: { LAMPORTD_VERSION: JSON.stringify(version) },
}
// Coverage is traced back to the sources by the map of a whole bundle.
if (process.argv.includes('--whole')) {
  await build({
    ...lamportctl,
    bundle: true,
    format: 'cjs',
    sourcemap: 'linked',
    define: { ...lamportctl.define, 'import.meta.url': '"file:///"' },
    banner: { js: '#!/usr/bin/env node' },
  })
} else {
  await buildChunks(lamportctl)
}
chmodSync(lamportctl.outfile, 0o755)
rmSync('dist/lamportctl.js', { force: true })
symlinkSync('lamportctl.cjs', 'dist/lamportctl.js')
