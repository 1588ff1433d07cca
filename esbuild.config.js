import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// lamportctl runs in every cron line: one file starts in half the time of a tree of modules.
const programs = { lamportctl: 'src/ctl/main.ts', lamportd: 'src/daemon/main.ts' }

/** lmdb in the same file as well, without what it needs only to look for its native part. */
const lmdb = {
  name: 'lmdb',
  setup(build) {
    const main = createRequire(import.meta.url).resolve('lmdb')
    const packer = createRequire(main).resolve('msgpackr')
    build.onResolve({ filter: /^lmdb$/ }, () => ({ path: join(dirname(main), '../node-index.js') }))
    // Its native part is found by a shorter way; msgpackr without a native part of its own.
    build.onResolve({ filter: /^node-gyp-build-optional-packages$/ }, () => ({
      path: 'binary',
      namespace: 'lmdb',
    }))
    build.onLoad({ filter: /^binary$/, namespace: 'lmdb' }, () => ({
      contents: "export { loadBinary as default } from './src/daemon/lmdb-binary.ts'",
      resolveDir: import.meta.dirname,
    }))
    build.onResolve({ filter: /^msgpackr$/ }, () => ({
      path: join(dirname(packer), '../index.js'),
    }))
  },
}

const bundled = new Set()

for (const [name, source] of Object.entries(programs)) {
  if (!existsSync(source)) continue
  const outfile = `dist/${name}.js`
  const { metafile } = await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    metafile: true,
    plugins: [lmdb],
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
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const file of Object.keys(inputs)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)
      if (folder !== null) bundled.add(folder[0])
    }
  }
}

// Whose licences go along with the programs.
writeFileSync('dist/bundled.json', JSON.stringify([...bundled].sort()))
