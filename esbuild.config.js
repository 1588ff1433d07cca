import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// lamportctl runs in every cron line: one file starts in half the time of a tree of modules.
const programs = { lamportctl: 'src/ctl/main.ts', lamportd: 'src/daemon/main.ts' }

/**
 * What yargs gets instead of two of its imports. `node:assert` opens stderr as it loads, before the
 * first line of the bundle runs, and lamportctl looks first at what is open, to hand it on.
 * `string-width` builds the tables of Unicode at each start; the help is ASCII.
 */
const substitutes = {
  assert: `
    function check(holds, message) { if (!holds) throw new Error(message) }
    export function strictEqual(a, b, message) { check(Object.is(a, b), message) }
    export function notStrictEqual(a, b, message) { check(!Object.is(a, b), message) }`,
  'string-width': 'export default text => text.length',
}

const substitute = {
  name: 'substitute',
  setup(build) {
    build.onResolve({ filter: /^(assert|string-width)$/ }, ({ path }) => ({
      path,
      namespace: 'substitute',
    }))
    build.onLoad({ filter: /./, namespace: 'substitute' }, ({ path }) => ({
      contents: substitutes[path],
    }))
  },
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
    plugins: name === 'lamportctl' ? [substitute] : [],
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
