import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** From dist/bench/locks: the benchmark's own node_modules are beside its sources. */
const folder = join(dirname(fileURLToPath(import.meta.url)), '../../../bench')
const require = createRequire(join(folder, 'package.json'))

let isFetched = false

/** An npm package of the benchmark's own; all are fetched where one is missing. Throws without. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- says what it is
export function load<T>(name: string): T {
  try {
    return require(name) as T
  } catch (error) {
    if (isFetched) throw error
    isFetched = true
    const options = ['--ignore-scripts', '--no-audit', '--no-fund']
    spawnSync('npm', ['ci', ...options], { cwd: folder, stdio: 'ignore' })
    return load(name)
  }
}

/** Why a package is not to be had. */
export function packageProblem(...names: readonly string[]): string | undefined {
  for (const name of names) {
    try {
      load(name)
    } catch (error) {
      const [reason] = (error instanceof Error ? error.message : String(error)).split('\n')
      return `${name} is not to be had: ${reason} (npm ci in bench/ says more)`
    }
  }
  return undefined
}

export function packageVersion(name: string): string {
  return load<{ readonly version: string }>(`${name}/package.json`).version
}

/** Why a program is not to be had. */
export function programProblem(program: string, debian: string): string | undefined {
  const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' })
  return error === undefined ? undefined : `${program} is not installed (apt install ${debian})`
}
