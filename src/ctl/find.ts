import { nearest } from '../lib/nearest.ts'

/** What the line is about, before any option of a command is read. */
export type Found =
  | { readonly type: 'command'; readonly name: string; readonly args: readonly string[] }
  | { readonly type: 'help' | 'version' | 'nothing' }
  | { readonly type: 'usage'; readonly problem: string }

/** Finds the command; the global options before it are put in front of its own. */
export function findCommand(args: readonly string[]): Found {
  const globals: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (arg === '--help' || arg === '-h') return { type: 'help' }
    if (arg === '--version') return { type: 'version' }
    if (arg === '--json' || arg.startsWith('--socket=')) {
      globals.push(arg)
    } else if (arg === '--socket') {
      const path = args[++at]
      if (path === undefined)
        return {
          type: 'usage',
          problem: '--socket needs a path (write --socket /run/lamportd/control.sock)',
        }
      globals.push(`--socket=${path}`)
    } else if (arg.startsWith('-')) {
      return { type: 'usage', problem: `unknown option ${arg} (${adviceFor(arg)})` }
    } else if (arg === 'help') {
      const topic = args[at + 1]
      return topic === undefined
        ? { type: 'help' }
        : { type: 'command', name: topic, args: ['--help'] }
    } else {
      return { type: 'command', name: arg, args: [...globals, ...args.slice(at + 1)] }
    }
  }
  return { type: 'nothing' }
}

function adviceFor(option: string): string {
  const near = nearest(option.replace(/^-+|=.*$/g, ''), ['socket', 'json', 'help', 'version'])
  if (near !== undefined && option.startsWith('--')) return `did you mean --${near}?`
  return 'options of a command stand behind its name; see lamportctl --help'
}
