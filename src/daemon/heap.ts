import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation at the megabyte that it begins with. Each packet leaves a cipher of
 * node:crypto's behind, and a collection ends them one by one: in the 16 MB to which V8 lets it grow
 * under load, some thousands, in a pause that outlasts a probe timeout. Many short ones together
 * take no longer. (`--max-semi-space-size` would say it, but is only read before a program starts.)
 */
export function keepCollectionsShort(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
