import { NAME_BYTES_MAX, NAMES_MAX } from './protocol.ts'

/** What is wrong with the names of one request and what to do, or `undefined`. */
export function checkNames(names: readonly string[]): string | undefined {
  if (names.length === 0) return 'no name is given (name at least one lock)'
  if (names.length > NAMES_MAX) {
    return `${names.length} names in one request, at most ${NAMES_MAX} (take fewer at once)`
  }
  for (const name of names) {
    const problem = checkName(name)
    if (problem !== undefined) return problem
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? undefined : `the name ${twice} is given twice (give it once)`
}

/** What is wrong with the name of a lock or a variable and what to do, or `undefined`. */
export function checkName(name: string): string | undefined {
  if (name === '') return 'the name is empty (give one of 1 to 255 bytes)'
  return checkText(name, 'name')
}

/** What is wrong with the beginning of names and what to do, or `undefined`. All begin with ''. */
export function checkPrefix(prefix: string): string | undefined {
  return checkText(prefix, 'prefix')
}

/** What is ordinary is looked at once: names come with every request. */
const ORDINARY = /^[ -~]*$/

function checkText(text: string, what: 'name' | 'prefix'): string | undefined {
  if (text.length <= NAME_BYTES_MAX && ORDINARY.test(text)) return undefined
  // A name goes to terminals and logs of every host.
  if (/\p{Cc}/u.test(text)) {
    return `the ${what} ${JSON.stringify(text)} contains a control character (choose one without)`
  }
  if (/\p{Cs}/u.test(text)) return `the ${what} is not valid Unicode (choose another)`
  const bytes = Buffer.byteLength(text)
  if (bytes <= NAME_BYTES_MAX) return undefined
  return `the ${what} has ${bytes} bytes, at most ${NAME_BYTES_MAX} are possible (choose a shorter one)`
}
