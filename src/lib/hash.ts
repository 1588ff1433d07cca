/** FNV-1a of a text, its bits mixed once more so that a part of them will do: 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mixed(hash)
}

/** Spreads what differs in any bit over all 32. */
export function mixed(hash: number): number {
  const half = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad)
  return (half ^ (half >>> 15)) >>> 0
}
