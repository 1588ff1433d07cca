import { chmodSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { buildChunks } from './chunks.config.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

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

// One file each, that starts fast: lamportctl stands in many a cron line (`npm run bench:start`), and
// while lamportd starts its host is missing (`npm run bench:idle`).
const programs = { lamportctl: 'src/ctl/main.ts', lamportd: 'src/daemon/main.ts' }
const bundled = new Set()

for (const [name, source] of Object.entries(programs)) {
  const outfile = `dist/${name}.cjs`
  const options = {
    entryPoints: [source],
    outfile,
    platform: 'node',
    target: 'node20',
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [lmdb],
    define: { LAMPORTD_VERSION: JSON.stringify(version) },
  }
  // Coverage is traced back to the sources by the map of a whole bundle.
  const isWhole = process.argv.includes('--whole')
  const { metafile } = isWhole ? await buildWhole(options) : await buildChunks(options)
  chmodSync(outfile, 0o755)
  rmSync(`dist/${name}.js`, { force: true })
  symlinkSync(`${name}.cjs`, `dist/${name}.js`)
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const file of Object.keys(inputs)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)
      if (folder !== null) bundled.add(folder[0])
    }
  }
}

// Whose licences go along with the programs.
writeFileSync('dist/bundled.json', JSON.stringify([...bundled].sort()))

function buildWhole(options) {
  return build({
    ...options,
    bundle: true,
    format: 'cjs',
    metafile: true,
    sourcemap: 'linked',
    define: { ...options.define, 'import.meta.url': 'lamportUrl' },
    banner: {
      js: "#!/usr/bin/env node\nconst lamportUrl = 'file://' + encodeURI(process.argv[1] ?? '/')",
    },
  })
}
