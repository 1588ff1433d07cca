/** The one element that a selector finds; the page has it, or it is not ours. */
export function find(selector: string): HTMLElement {
  return findAs(selector, HTMLElement)
}

/** One of a kind that is more than any element. */
export function findAs<T extends Element>(selector: string, kind: new () => T): T {
  const element = document.querySelector(selector)
  if (!(element instanceof kind)) throw new Error(`the page has no ${selector}`)
  return element
}

/** An element with text in it. */
export function make(
  tag: string,
  text: string,
  attributes: Readonly<Record<string, string>> = {},
): HTMLElement {
  const element = document.createElement(tag)
  element.textContent = text
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}
