/** Little-endian integers in byte arrays. Whoever reads has checked the length. */

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
}

export function readU24(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at) | ((bytes[at + 2] as number) << 16)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (readU24(bytes, at) | ((bytes[at + 3] as number) << 24)) >>> 0
}

/** A u64 of which only what a number holds exactly is allowed. */
export function readU53(bytes: Uint8Array, at: number): number | undefined {
  const high = readU32(bytes, at + 4)
  return high < 0x20_0000 ? high * 0x1_0000_0000 + readU32(bytes, at) : undefined
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

export function writeU24(bytes: Uint8Array, at: number, value: number): void {
  writeU16(bytes, at, value)
  bytes[at + 2] = value >>> 16
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  writeU24(bytes, at, value)
  bytes[at + 3] = value >>> 24
}

/** A u64, from a number that is exact. */
export function writeU53(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0)
  writeU32(bytes, at + 4, Math.floor(value / 0x1_0000_0000))
}

/** Two hexadecimal digits a byte: a key for maps, and for people. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += (byte + 256).toString(16).slice(1)
  return text
}

/** The bytes behind what `toHex` made. */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** The text in UTF-8; half of a pair of surrogates becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text) {
    let point = character.codePointAt(0) as number
    if (point >= 0xd800 && point < 0xe000) point = 0xfffd
    if (point < 0x80) bytes.push(point)
    else {
      const more = point < 0x800 ? 1 : point < 0x1_0000 ? 2 : 3
      bytes.push((256 - (1 << (7 - more))) | (point >>> (6 * more)))
      for (let i = more - 1; i >= 0; i--) bytes.push(0x80 | ((point >>> (6 * i)) & 0x3f))
    }
  }
  return new Uint8Array(bytes)
}
