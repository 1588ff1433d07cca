/** The shells that there is a script for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof SHELLS)[number]

const BASH = [
  '# bash completion for lamportctl, made by: lamportctl completion bash',
  '_lamportctl() {',
  '    local line=${COMP_LINE:0:COMP_POINT} part piece word i',
  '    local -a words=() starts=() reply=()',
  '    # The words as they were typed: readline takes a word apart at = and : and the like.',
  '    for ((i = 0; i <= COMP_CWORD; i++)); do',
  '        part=${line#"${line%%[![:space:]]*}"}',
  '        piece=${COMP_WORDS[i]}',
  '        if ((i == COMP_CWORD)); then piece=$part; fi',
  '        if [[ $i -gt 0 && $part == "$line" ]]; then',
  '            words[${#words[@]} - 1]+=$piece',
  '        else',
  '            words+=("$piece")',
  '            starts+=("$i")',
  '        fi',
  '        line=${part#"$piece"}',
  '    done',
  "    local cur=${words[${#words[@]} - 1]} head='' breaks=${COMP_WORDBREAKS//[[:space:]\\\"\\']/}",
  '    # Of such a word readline wants only what follows the last of them.',
  '    if [[ -n $breaks && $cur != [\\\'\\"]* ]]; then head=${cur%"${cur##*["$breaks"]}"}; fi',
  '    mapfile -t reply < <(lamportctl complete bash "${words[@]:1}" 2> /dev/null)',
  '    COMPREPLY=()',
  '    case ${reply[0]-} in',
  '        files)',
  '            compopt -o default 2> /dev/null',
  '            ;;',
  '        other\\ *)',
  '            i=${starts[${reply[0]#other } + 1]-$COMP_CWORD}',
  '            if declare -F _comp_command_offset > /dev/null; then',
  '                _comp_command_offset "$i"',
  '            elif declare -F _command_offset > /dev/null; then',
  '                _command_offset "$i"',
  '            elif ((i == COMP_CWORD)); then',
  '                mapfile -t COMPREPLY < <(compgen -c -- "$cur")',
  '            else',
  '                compopt -o default 2> /dev/null',
  '            fi',
  '            ;;',
  '        *)',
  '            for word in "${reply[@]:1}"; do',
  "                word=${word%%$'\\t'*}",
  '                case $cur in',
  "                    \\'*) if [[ $word == *\\'* ]]; then continue; fi ;;",
  '                    \\"*) word=$(printf %s "$word" | sed \'s/[\\\\"$`]/\\\\&/g\') ;;',
  '                    *) printf -v word %q "$word" ;;',
  '                esac',
  '                if [[ $word == "$head"* ]]; then COMPREPLY+=("${word#"$head"}"); fi',
  '            done',
  '            if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then',
  '                compopt -o nospace 2> /dev/null',
  '            fi',
  '            ;;',
  '    esac',
  '}',
  'complete -F _lamportctl lamportctl',
]

const ZSH = [
  '#compdef lamportctl',
  '# zsh completion for lamportctl, made by: lamportctl completion zsh',
  '_lamportctl() {',
  '    local -a reply entries open',
  '    local line name',
  '    local -i at',
  '    reply=("${(@f)$(lamportctl complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2> /dev/null)}")',
  '    case $reply[1] in',
  '        files)',
  "            if [[ $PREFIX == --*=* ]]; then compset -P '*='; fi",
  '            _files',
  '            ;;',
  '        other\\ *)',
  '            at=$((${reply[1]#other } + 1))',
  '            shift $at words',
  '            CURRENT=$((CURRENT - at))',
  '            _normal',
  '            ;;',
  '        *)',
  '            for line in "${(@)reply[2,-1]}"; do',
  "                name=${line%%$'\\t'*}",
  '                if [[ $name == */ ]]; then',
  '                    open+=("$name")',
  '                else',
  '                    name=${name//\\\\/\\\\\\\\}',
  '                    entries+=("${name//:/\\\\:}:${line#*$\'\\t\'}")',
  '                fi',
  '            done',
  "            if (($#open)); then compadd -S '' -a open; fi",
  '            if (($#entries)); then _describe -t lamportctl lamportctl entries; fi',
  '            ;;',
  '    esac',
  '}',
  'if [[ $funcstack[1] == _lamportctl ]]; then',
  '    _lamportctl "$@"',
  'else',
  '    compdef _lamportctl lamportctl',
  'fi',
]

const FISH = [
  '# fish completion for lamportctl, made by: lamportctl completion fish',
  'function __lamportctl_complete',
  '    set -l words (commandline -opc)',
  '    set -e words[1]',
  '    set -l typed (commandline -ct)',
  '    # Without quotes and backslashes; a quote may still be open.',
  '    set -l current (string unescape -- "$typed"; or string trim --left --chars \'"\\\'\' -- "$typed")',
  '    set -l reply (lamportctl complete fish $words "$current" 2> /dev/null)',
  '    switch "$reply[1]"',
  '        case files',
  '            set -l option (string match -r -- \'^--[^=]*=\' "$current")',
  '            for path in (__fish_complete_path (string replace -- "$option" \'\' "$current"))',
  '                echo "$option$path"',
  '            end',
  "        case 'other *'",
  "            __fish_complete_subcommand --fcs-skip=(math (string replace 'other ' '' $reply[1]) + 1)",
  "        case '*'",
  "            printf '%s\\n' $reply[2..-1]",
  '    end',
  'end',
  "complete -c lamportctl -f -a '(__lamportctl_complete)'",
]

/**
 * What a shell has to run once. Each script hands the words of the line to `lamportctl complete` and
 * shows what that answers: commands, options and names are known in one place, and another version of
 * lamportctl needs no other script.
 */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return BASH.join('\n')
    case 'zsh':
      return ZSH.join('\n')
    case 'fish':
      return FISH.join('\n')
    default:
      return shell satisfies never
  }
}
