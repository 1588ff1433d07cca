import { Stage } from './stage.ts'

/** Commands, and what they brought about. */
type Block = { readonly commands: readonly string[]; readonly output: readonly string[] }

/**
 * Runs a scenario, a conversation that people can read: commands, a line of four dashes, and what
 * they brought about, up to an empty line; then more commands. It returns the same text with the
 * output that there really was.
 *
 * Commands of a block begin at one instant, until one of them lets time pass. There are:
 * `without totalOrder`: a rule of the protocol is switched off, to see what it is for ·
 * `hosts 1 2 3`, first of all else: connects them, has host 1 take and free a lock, and calls the time
 * that the clocks of all others then read 0 · `delay 5ms`, `delay 1 3 80ms`: of all ways, of one ·
 * `show all`, `show entries`: with messages or without · `1 lock door`, `1 try door`, with any of
 * `shared`, `of 2`, `for 50ms`, and `left+right` for several names · `1 unlock door`,
 * `1 cancel door`, `1 dies`: its clients do · `run 5ms`, `settle`: until nothing happens any more ·
 * `cut 1 2`, `heal 1 2`, `down 2`, `up 2` · `queues`, `replies`, `clocks`, `count`: since the last
 * · `# remark`.
 */
export function runScenario(text: string): string {
  const stage = new Stage()
  const blocks = parseScenario(text).map(({ commands }) => ({
    commands,
    output: commands.flatMap(command => stage.perform(command)),
  }))
  return blocks
    .map(({ commands, output }) => [...commands, '----', ...output, ''].join('\n'))
    .join('\n')
}

function parseScenario(text: string): readonly Block[] {
  const blocks: Block[] = []
  let commands: string[] = []
  let output: string[] | undefined
  for (const line of text.split('\n')) {
    if (output === undefined) {
      if (line === '----') output = []
      // Empty lines between a comment and its commands are the writer's.
      else if (line !== '' || commands.length > 0) commands.push(line)
    } else if (line === '') {
      blocks.push({ commands, output })
      commands = []
      output = undefined
    } else output.push(line)
  }
  if (commands.length > 0 || output !== undefined) blocks.push({ commands, output: output ?? [] })
  return blocks
}
