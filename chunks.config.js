import { writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { build, transform } from 'esbuild'

/** What a chunk is compiled with. */
const PARAMETERS = ['require', 'module', 'exports', 'lamportUrl']

/**
 * Builds a program of one file in which each part that is loaded by `import()`, and each that
 * several of them share, is a text: V8 compiles those that are called for and skips the others.
 *
 * It asks for nothing but Node's own modules and files beside it, when they are needed, and so is the
 * same as CommonJS, which Node starts sooner, and as an ES module: whatever name it is installed
 * under.
 */
export async function buildChunks(options) {
  const { entryPoints, outfile, define, ...others } = options
  const { outputFiles, metafile } = await build({
    ...others,
    entryPoints,
    bundle: true,
    define: { ...define, 'import.meta.url': 'lamportUrl' },
    format: 'esm',
    splitting: true,
    outdir: dirname(outfile),
    write: false,
    metafile: true,
  })
  const chunks = await Promise.all(
    outputFiles.map(async ({ path, text }) => [
      `./${basename(path)}`,
      await commonJs(text, others),
    ]),
  )
  const outputs = Object.entries(metafile.outputs)
  const [first] = outputs.find(([, output]) => output.entryPoint === entryPoints[0])
  writeFileSync(outfile, program(chunks, `./${basename(first)}`, basename(outfile)))
  return { metafile }
}

async function commonJs(text, { platform, target, minifySyntax, minifyWhitespace }) {
  const { code } = await transform(text, {
    platform,
    target,
    minifySyntax,
    minifyWhitespace,
    format: 'cjs',
    supported: { 'dynamic-import': false },
  })
  return code
}

function program(chunks, first, name) {
  const texts = chunks.map(chunk => chunk.map(part => JSON.stringify(part)).join(': '))
  return `#!/usr/bin/env node
'use strict'
const lamportChunks = Object.assign(Object.create(null), {
${texts.join(',\n')}
})
const lamportModules = new Map()
const lamportUrl = 'file://' + encodeURI(process.argv[1] ?? '/')
function lamportRequire(name) {
  const text = lamportChunks[name]
  if (text === undefined) return process.getBuiltinModule(name) ?? lamportBeside(name)
  let module = lamportModules.get(name)
  if (module === undefined) {
    lamportModules.set(name, (module = { exports: {} }))
    const { compileFunction } = process.getBuiltinModule('node:vm')
    const filename = '${name}' + name.slice(1)
    const run = compileFunction(text, ${JSON.stringify(PARAMETERS)}, { filename })
    run(lamportRequire, module, module.exports, lamportUrl)
  }
  return module.exports
}
function lamportBeside(name) {
  const { realpathSync } = process.getBuiltinModule('node:fs')
  const { createRequire } = process.getBuiltinModule('node:module')
  return createRequire(realpathSync(process.argv[1]))(name)
}
lamportRequire('${first}')
`
}
