import type { DoctorFinding } from '../../control/protocol.ts'

/** All is well. */
export function fine(check: string, text: string): DoctorFinding {
  return { check, state: 'ok', text, advice: null }
}

/** It works, and might not for long, or not as well as it could. */
export function warning(check: string, text: string, advice: string): DoctorFinding {
  return { check, state: 'warning', text, advice }
}

/** It does not work. */
export function failure(check: string, text: string, advice: string): DoctorFinding {
  return { check, state: 'failure', text, advice }
}

/** A text of ours in the form "what is wrong (what to do)", as a finding. */
export function fromText(
  check: string,
  state: 'warning' | 'failure',
  message: string,
): DoctorFinding {
  const at = message.endsWith(')') ? openingOf(message) : -1
  if (at <= 0) return { check, state, text: message, advice: null }
  const text = message.slice(0, at).trimEnd()
  return { check, state, text, advice: message.slice(at + 1, -1) }
}

/** Where the parenthesis opens that ends the text. */
function openingOf(text: string): number {
  let depth = 0
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ')') depth += 1
    if (text[at] === '(') depth -= 1
    if (depth === 0) return at
  }
  return -1
}
