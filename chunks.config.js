import { writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { build, transform } from 'esbuild'

/** What a chunk is compiled with. */
const PARAMETERS = ['require', 'module', 'exports', 'lamportUrl']

/**
 * Builds a program of one file in which each part that is loaded by `import()`, and each that
 * several of them share, is a text: V8 compiles those that are called for and skips the others.
 * What is always loaded is code, which V8 would have to read twice as a text.
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
  const always = alwaysLoaded(metafile.outputs, first)
  writeFileSync(outfile, program(chunks, always, `./${basename(first)}`, basename(outfile)))
  return { metafile }
}

/** The names of the first chunk and of those that it cannot run without. */
function alwaysLoaded(outputs, first) {
  const found = new Set([first])
  for (const file of found) {
    for (const { path, kind } of outputs[file].imports) {
      if (kind === 'import-statement' && path in outputs) found.add(path)
    }
  }
  return new Set([...found].map(file => `./${basename(file)}`))
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

function program(chunks, always, first, name) {
  const texts = chunks.map(([chunk, code]) => {
    // In parentheses V8 compiles it at once.
    const value = always.has(chunk)
      ? `(function (${PARAMETERS.join(', ')}) {\n${code}})`
      : JSON.stringify(code)
    return `${JSON.stringify(chunk)}: ${value}`
  })
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
    const filename = '${name}' + name.slice(1)
    const run = typeof text === 'function' ? text : lamportCompile(text, filename)
    try {
      run(lamportRequire, module, module.exports, lamportUrl)
    } catch (error) {
      lamportModules.delete(name)
      throw error
    }
  }
  return module.exports
}
function lamportCompile(text, filename) {
  const { compileFunction } = process.getBuiltinModule('node:vm')
  return compileFunction(text, ${JSON.stringify(PARAMETERS)}, { filename })
}
function lamportBeside(name) {
  const { realpathSync } = process.getBuiltinModule('node:fs')
  const { createRequire } = process.getBuiltinModule('node:module')
  return createRequire(realpathSync(process.argv[1]))(name)
}
lamportRequire('${first}')
`
}
