import type { Browser } from 'playwright-core'

/** What a picture begins with that says it is a PNG. */
const PNG = '89504e470d0a1a0a'

/** A blank picture of the size of a page is smaller by far. */
const PNG_BYTES_MIN = 8_000

/** Whether this is a picture with more on it than a background. */
export function isPicture(png: Buffer): boolean {
  return png.subarray(0, 8).toString('hex') === PNG && png.length > PNG_BYTES_MIN
}

/** The colours on a picture, as `#1f5fbf`, each with its pixels. */
export async function coloursOf(browser: Browser, png: Buffer): Promise<Map<string, number>> {
  const page = await browser.newPage()
  const pairs: [string, number][] = await page.evaluate(`(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${png.toString('base64')}'
    await image.decode()
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d')
    canvas.drawImage(image, 0, 0)
    const { data } = canvas.getImageData(0, 0, image.width, image.height)
    const counts = new Map()
    for (let at = 0; at < data.length; at += 4) {
      const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2]
      counts.set(colour, (counts.get(colour) ?? 0) + 1)
    }
    return [...counts].map(([colour, count]) => ['#' + colour.toString(16).padStart(6, '0'), count])
  })()`)
  await page.close()
  return new Map(pairs)
}
