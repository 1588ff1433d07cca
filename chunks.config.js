import { writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { build, transform } from 'esbuild'

/** What a chunk is compiled with. */
const PARAMETERS = ['require', 'module', 'exports', 'lamportUrl']

/**
 * Builds a program of one file in which each part that is loaded by `import()`, and each that
 * several of them share, is a text: V8 compiles those that are called for and skips the others.
 * What is always loaded is code, which V8 would have to read twice as a text, and one scope: what is
 * called thousands of times a second is not looked up by name each time.
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
  const outputs = Object.entries(metafile.outputs)
  const [first] = outputs.find(([, output]) => output.entryPoint === entryPoints[0])
  const always = alwaysLoaded(metafile.outputs, first)
  const texts = new Map(outputFiles.map(({ path, text }) => [`./${basename(path)}`, text]))
  const chunks = new Map([[FIRST, await merged(texts, always, metafile.outputs, others)]])
  for (const [name, text] of texts) {
    if (!always.includes(name)) chunks.set(name, await commonJs(text, others))
  }
  writeFileSync(outfile, program(chunks, always, basename(outfile)))
  return { metafile }
}

/** What is always loaded, under one name. */
const FIRST = './first.js'

/** The names of the first chunk and of those that it cannot run without. */
function alwaysLoaded(outputs, first) {
  const found = new Set([first])
  for (const file of found) {
    for (const { path, kind } of outputs[file].imports) {
      if (kind === 'import-statement' && path in outputs) found.add(path)
    }
  }
  return [...found].map(file => `./${basename(file)}`)
}

/** In one scope; it exports what each of them did, for those that are loaded later. */
async function merged(texts, always, outputs, options) {
  const { platform, target, minifySyntax, minifyWhitespace } = options
  const names = Object.entries(outputs).flatMap(([file, output]) =>
    always.includes(`./${basename(file)}`) ? output.exports : [],
  )
  if (new Set(names).size < names.length) throw new Error('two chunks export the same name')
  const virtual = {
    name: 'chunks',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\// }, ({ path }) =>
        always.includes(path) ? { path, namespace: 'chunk' } : { path, external: true },
      )
      onLoad({ filter: /./, namespace: 'chunk' }, ({ path }) => ({ contents: texts.get(path) }))
    },
  }
  const { outputFiles } = await build({
    stdin: { contents: always.map(name => `export * from '${name}'`).join('\n') },
    bundle: true,
    write: false,
    format: 'cjs',
    supported: { 'dynamic-import': false },
    plugins: [virtual],
    // msgpackr's, as it comes.
    logOverride: { 'direct-eval': 'silent' },
    ...{ platform, target, minifySyntax, minifyWhitespace },
  })
  return outputFiles[0].text
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

function program(chunks, always, name) {
  const texts = [...chunks].map(([chunk, code]) => {
    // In parentheses V8 compiles it at once.
    const value =
      chunk === FIRST ? `(function (${PARAMETERS.join(', ')}) {\n${code}})` : JSON.stringify(code)
    return `${JSON.stringify(chunk)}: ${value}`
  })
  return `#!/usr/bin/env node
'use strict'
const lamportChunks = Object.assign(Object.create(null), {
${texts.join(',\n')}
})
const lamportModules = new Map()
const lamportFirst = new Set(${JSON.stringify(always)})
const lamportUrl = 'file://' + encodeURI(process.argv[1] ?? '/')
function lamportRequire(asked) {
  const name = lamportFirst.has(asked) ? '${FIRST}' : asked
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
lamportRequire('${FIRST}')
`
}
