import { frame, type PageParts } from '../diagram/page.ts'

/** A page that asks whoever served it, and nobody else. */
export function dashboardPage(parts: Omit<PageParts, 'title'>): string {
  const policy = "default-src 'none'; connect-src 'self'"
  return frame({ ...parts, title: 'lamportd' }, ABOVE, '', policy)
}

const ABOVE = `<header><h1 id="title">lamportd</h1><p id="health" role="status">Connecting…</p></header>
<div class="tables">
<section><h2>Locks</h2><table><thead><tr><th>Lock</th><th>State</th><th>Host</th><th>For</th><th>What</th></tr></thead><tbody id="locks"></tbody></table></section>
<section><h2>Hosts</h2><table><thead><tr><th>Host</th><th>State</th><th>Address</th><th>RTT</th><th>Loss</th></tr></thead><tbody id="hosts"></tbody></table></section>
<section><h2>Variables</h2><table><thead><tr><th>Name</th><th>Value</th><th>Version</th><th>By</th></tr></thead><tbody id="vars"></tbody></table></section>
</div>
<h2>What happens <label class="live"><input type="checkbox" id="live" checked> live</label></h2>`
