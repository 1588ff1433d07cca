import { assert } from '../lib/assert.ts'

/** Put in by esbuild: what src/page/ makes of a browser. */
declare const LAMPORTD_DIAGRAM_PAGE: string | undefined
declare const LAMPORTD_DASHBOARD_PAGE: string | undefined

/** What pages run. The bundles know it, the single modules do not. */
export function pageScripts(): { readonly diagram: string; readonly dashboard: string } {
  const diagram = typeof LAMPORTD_DIAGRAM_PAGE === 'string' ? LAMPORTD_DIAGRAM_PAGE : undefined
  const dashboard =
    typeof LAMPORTD_DASHBOARD_PAGE === 'string' ? LAMPORTD_DASHBOARD_PAGE : undefined
  assert(diagram !== undefined && dashboard !== undefined, 'a bundle has its pages in it')
  return { diagram, dashboard }
}
