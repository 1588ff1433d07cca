/** Put in by esbuild, from package.json. */
declare const LAMPORTD_VERSION: string | undefined

/** Of the lamportd package; the bundles know it, the single modules do not. */
export const packageVersion: string =
  typeof LAMPORTD_VERSION === 'string' ? LAMPORTD_VERSION : '0.0.0-source'
