import type { Command } from './command.ts'

/** A command, as the list of them shows it. */
export type Entry = {
  readonly name: string
  readonly summary: string
  /** Only what is called is loaded: lamportctl stands in many a cron line. */
  load(): Promise<Command>
}

/** Every command, in the order of the help. */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'lock',
    summary: 'run a command while holding a lock that all hosts respect',
    load: async () => (await import('./commands/lock.ts')).lock,
  },
  {
    name: 'once',
    summary: 'run a command on one host, once per period or key',
    load: async () => (await import('./commands/once.ts')).once,
  },
  {
    name: 'hold',
    summary: 'keep a lock for good: one host active, the others standing by',
    load: async () => (await import('./commands/hold.ts')).hold,
  },
  {
    name: 'acquire',
    summary: 'take a lock for a while, in a script that does not run under one command',
    load: async () => (await import('./commands/acquire.ts')).acquire,
  },
  {
    name: 'release',
    summary: 'give back what acquire took',
    load: async () => (await import('./commands/release.ts')).release,
  },
  {
    name: 'locks',
    summary: 'list the locks in use: holders, and waiters in order',
    load: async () => (await import('./commands/locks.ts')).locks,
  },
  {
    name: 'why',
    summary: 'say why one waits for a lock, and what to do',
    load: async () => (await import('./commands/why.ts')).why,
  },
  {
    name: 'get',
    summary: 'print the value of a shared variable',
    load: async () => (await import('./commands/get.ts')).get,
  },
  {
    name: 'set',
    summary: 'write a shared variable',
    load: async () => (await import('./commands/set.ts')).set,
  },
  {
    name: 'unset',
    summary: 'take a shared variable away',
    load: async () => (await import('./commands/unset.ts')).unset,
  },
  {
    name: 'vars',
    summary: 'list the variables that are set',
    load: async () => (await import('./commands/vars.ts')).vars,
  },
  {
    name: 'history',
    summary: 'show past versions of a variable, and who wrote them',
    load: async () => (await import('./commands/history.ts')).history,
  },
  {
    name: 'watch',
    summary: 'print each change of variables, or run a command for it',
    load: async () => (await import('./commands/watch.ts')).watch,
  },
  {
    name: 'share',
    summary: 'edit one variable in the terminals of all hosts at once',
    load: async () => (await import('./commands/share.ts')).share,
  },
  {
    name: 'export',
    summary: 'save all variables to a file',
    load: async () => (await import('./commands/export.ts')).exportVariables,
  },
  {
    name: 'import',
    summary: 'set the variables that are in such a file',
    load: async () => (await import('./commands/import.ts')).importVariables,
  },
  {
    name: 'env',
    summary: 'print variables for a shell or systemd, or run a command with them',
    load: async () => (await import('./commands/env.ts')).env,
  },
  {
    name: 'render',
    summary: 'keep a file filled with variables from a template',
    load: async () => (await import('./commands/render.ts')).render,
  },
  {
    name: 'status',
    summary: 'show this host and how it sees the others',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'metrics',
    summary: 'print counters and histograms for Prometheus',
    load: async () => (await import('./commands/metrics.ts')).metrics,
  },
  {
    name: 'trace',
    summary: 'print what happened in this host, an event a line',
    load: async () => (await import('./commands/trace.ts')).trace,
  },
  {
    name: 'diagram',
    summary: 'draw traces: who sent what to whom, and when who held what',
    load: async () => (await import('./commands/diagram.ts')).diagram,
  },
  {
    name: 'dashboard',
    summary: 'serve a page that shows what is going on',
    load: async () => (await import('./commands/dashboard.ts')).dashboard,
  },
  {
    name: 'found',
    summary: 'go on without hosts that never ran, or are gone for good',
    load: async () => (await import('./commands/found.ts')).found,
  },
  {
    name: 'keygen',
    summary: 'print a new cluster key',
    load: async () => (await import('./commands/keygen.ts')).keygen,
  },
  {
    name: 'completion',
    summary: 'print what makes bash, zsh or fish complete its lines',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'compare',
    summary: 'measure the classic algorithms for mutual exclusion side by side',
    load: async () => (await import('./commands/compare.ts')).compare,
  },
]
