/** Whole cents, up to ten trillion dollars: any sum of them is exact in a double. */
export const CENTS_MAX: number = 10 ** 15

/** What a person writes for an amount. */
const FORM = 'an amount is like 4, 4.50 or $4'

/**
 * Reads an amount of money, exactly: never by way of a fraction, which has no cents. Nothing at all
 * is an amount here; who may not pay it says so.
 */
export function parseAmount(
  text: string,
): { readonly cents: number } | { readonly problem: string } {
  if (text === '') {
    return { problem: "the amount is empty (a shell takes $4 for a variable: write '$4', or 4)" }
  }
  const match = /^\$?(\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) {
    const isNegative = /^\$?-|^-\$/.test(text)
    const what = isNegative ? 'is less than nothing' : 'is not an amount'
    return { problem: `${JSON.stringify(text)} ${what} (${FORM})` }
  }
  const [, dollars = '', fraction = ''] = match
  if (fraction.length > 2) {
    return { problem: `${text} has fractions of a cent (${FORM})` }
  }
  const cents = Number(dollars) * 100 + Number(fraction.padEnd(2, '0'))
  if (cents > CENTS_MAX) return { problem: `${text} is more than there is (${FORM})` }
  return { cents }
}

/** `$4`, `$4.50`. */
export function formatCents(cents: number): string {
  const rest = cents % 100
  const dollars = String((cents - rest) / 100)
  return rest === 0 ? `$${dollars}` : `$${dollars}.${String(rest).padStart(2, '0')}`
}
