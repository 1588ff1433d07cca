import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Loads the native part of lmdb, in the place of lmdb's own search: that looks through folders and
 * asks for the C library for as long as Node itself takes to start. esbuild.config.js puts it there.
 */
export function loadBinary(): unknown {
  // A program is called by a link to it.
  const here = realpathSync(fileURLToPath(import.meta.url))
  const load = createRequire(here)
  // The package of a distribution has the one that fits, beside the program.
  const beside = join(dirname(here), 'lmdb.node')
  if (existsSync(beside)) return load(beside)
  // Of npm: where lmdb finds it among its optional dependencies.
  const name = `@lmdb/lmdb-linux-${process.arch}`
  const folder = dirname(createRequire(load.resolve('lmdb')).resolve(name))
  const names = [`abi${process.versions.modules}.glibc`, 'napi.glibc', 'napi.musl']
  const files = names.map(kind => join(folder, `node.${kind}.node`)).filter(existsSync)
  let problem: unknown = new Error(`${folder} has nothing for this Node (npm install again)`)
  for (const file of files) {
    try {
      return load(file)
    } catch (error) {
      // Of another C library: the next one may do.
      problem = error
    }
  }
  throw problem
}
