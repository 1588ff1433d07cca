import { command, usageError, type Command } from '../command.ts'
import { completionScript, SHELLS } from '../completion/scripts.ts'
import { Exit } from '../exit.ts'
import { print } from '../output.ts'

/** What makes a shell complete lines of lamportctl. */
export const completion: Command = command(
  {
    name: 'completion',
    operands: [SHELLS],
    usage: ['completion bash|zsh|fish'],
    summary:
      'Prints a script that makes the shell complete commands, options, and the names of locks and ' +
      'variables.',
    options: {},
    examples: [
      ['eval "$(lamportctl completion bash)"', 'in ~/.bashrc'],
      ['lamportctl completion bash > /etc/bash_completion.d/lamportctl', 'for all users'],
      ['eval "$(lamportctl completion zsh)"', 'in ~/.zshrc, behind compinit'],
      ['lamportctl completion zsh > "${fpath[1]}/_lamportctl"', 'or for all users'],
      ['lamportctl completion fish > ~/.config/fish/completions/lamportctl.fish', 'for fish'],
    ],
    notes:
      'The names come from lamportd, by the socket that is on the line or the usual one. Where it ' +
      'does not answer within a second there are none.',
    isOffline: true,
  },
  (_options, operands) => {
    const [name, ...more] = operands
    const shell = SHELLS.find(each => each === name)
    if (shell === undefined || more.length > 0) {
      return Promise.resolve(usageError('completion', 'completion takes bash, zsh or fish'))
    }
    print(completionScript(shell))
    return Promise.resolve(Exit.done)
  },
)
