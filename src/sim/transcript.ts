import { Stage } from './stage.ts'

/** Commands, and what they brought about. */
type Block = { readonly commands: readonly string[]; readonly output: readonly string[] }

/**
 * Runs a scenario, a conversation that people can read: commands, a line of four dashes, and what
 * they brought about, up to an empty line; then more commands. It returns the same text with the
 * output that there really was. `docs/contributing.md` has the language.
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
