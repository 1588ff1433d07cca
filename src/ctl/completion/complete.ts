import { homedir } from 'node:os'
import type { CommandSpec } from '../arguments.ts'
import { COMMANDS } from '../commands.ts'
import { print } from '../output.ts'
import { lookAt, optionWords, type Looked } from './line.ts'
import { namesOf, type Candidate } from './names.ts'
import { unquoted } from './unquoted.ts'

/**
 * What the scripts of `lamportctl completion` ask: `complete SHELL WORD...`, of which the last word
 * has just begun. The first line of the answer is `words`, `files`, or `other N` where the rest is
 * completed as another command, from word N on; each further line is a word, a tab, and what it is
 * about. It never fails: then there is nothing to complete.
 */
export async function complete([shell, ...given]: readonly string[]): Promise<void> {
  const words = shell === 'bash' ? given.map(word => unquoted(word, homedir())) : given
  const current = words.at(-1) ?? ''
  try {
    const looked = await lookAt(words, specOf)
    const { wanted } = looked
    if (wanted.type === 'other') print(`other ${wanted.at}`)
    else if (wanted.type === 'operand' && wanted.operand === 'file') print('files')
    else {
      const found = await candidatesOf(looked, current)
      const fitting = found.filter(([word]) => word.startsWith(current))
      print(['words', ...fitting.map(([word, about]) => `${word}\t${about}`)].join('\n'))
    }
  } catch {
    print('words')
  }
}

async function specOf(name: string): Promise<CommandSpec | undefined> {
  const entry = COMMANDS.find(each => each.name === name)
  return entry === undefined ? undefined : (await entry.load()).spec
}

async function candidatesOf(looked: Looked, current: string): Promise<readonly Candidate[]> {
  const { wanted } = looked
  switch (wanted.type) {
    case 'command':
      return [
        ...COMMANDS.map(({ name, summary }) => [name, summary] as const),
        ['help', 'say more about a command'],
      ]
    case 'option':
      return optionWords(wanted, current)
    case 'operand': {
      const { operand, before } = wanted
      const begun = current.slice(before.length)
      const names = await operandWords(looked, operand, begun)
      return names.map(([name, about]) => [before + name, about])
    }
    default:
      return []
  }
}

async function operandWords(
  looked: Looked,
  operand: Extract<Looked['wanted'], { type: 'operand' }>['operand'],
  begun: string,
): Promise<readonly Candidate[]> {
  if (operand === 'file' || operand === 'command') return []
  if (typeof operand !== 'string') return operand.map(word => [word, ''])
  const names = await namesOf(operand, begun, looked)
  // What begins with - would be taken for an option.
  return names.filter(([name]) => !name.startsWith('-'))
}
