import { chmodSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { buildChunks } from './chunks.config.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

/** Packages that have code in the programs. */
const bundled = new Set()

const common = {
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  define: { LAMPORTD_VERSION: JSON.stringify(version) },
}

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

// One file each, that starts fast: lamportctl stands in many a cron line (`npm run bench:start`), and
// while lamportd starts its host is missing (`npm run bench:idle`).
const programs = [
  { name: 'lamportctl', entryPoints: ['src/ctl/main.ts'], plugins: [apart] },
  { name: 'lamportd', entryPoints: ['src/daemon/main.ts'], plugins: [lmdb] },
]
for (const { name, ...others } of programs) {
  const options = { ...common, ...others, outfile: `dist/${name}.cjs` }
  // Coverage is traced back to the sources by the map of a whole bundle.
  const isWhole = process.argv.includes('--whole')
  const { metafile } = isWhole ? await buildWhole(options) : await buildChunks(options)
  chmodSync(options.outfile, 0o755)
  rmSync(`dist/${name}.js`, { force: true })
  symlinkSync(`${name}.cjs`, `dist/${name}.js`)
  note(metafile)
}

// An example on the client library.
const bank = await build({
  ...common,
  entryPoints: ['src/examples/bank/main.ts'],
  outfile: 'dist/lamport-bank.js',
  bundle: true,
  format: 'esm',
  metafile: true,
  sourcemap: 'linked',
  // CommonJS dependencies call `require` for what Node brings.
  banner: {
    js:
      '#!/usr/bin/env node\n' +
      "import { createRequire as lamportRequire } from 'node:module'\n" +
      'const require = lamportRequire(import.meta.url)',
  },
})
chmodSync('dist/lamport-bank.js', 0o755)
note(bank.metafile)

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
  const { metafile } = await build({
    ...common,
    metafile: true,
    stdin: { contents, resolveDir: '.' },
    outfile: `dist/${file}`,
    bundle: true,
    format: 'cjs',
    sourcemap: 'linked',
    define: { ...common.define, ...pages, 'import.meta.url': 'lamportUrl' },
    banner: { js: "const lamportUrl = require('node:url').pathToFileURL(__filename).href" },
  })
  note(metafile)
}

// Whose licences go along with the programs.
writeFileSync('dist/bundled.json', JSON.stringify([...bundled].sort()))

/** Remembers the packages that a bundle has code of. */
function note({ outputs }) {
  for (const { inputs } of Object.values(outputs)) {
    for (const file of Object.keys(inputs)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)
      if (folder !== null) bundled.add(folder[0])
    }
  }
}
