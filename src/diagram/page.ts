/** The frame of a page with a diagram: one file, with nothing to fetch. */
import type { TraceLine } from '../control/trace.ts'
import { COLOURS, FONTS } from './style.ts'
import { PAGE_STYLE } from './page-style.ts'
import { LABELS_WIDTH } from './svg.ts'
import { escapeText } from './words.ts'

export type PageParts = {
  readonly title: string
  /** What a browser runs. */
  readonly script: string
  /** SHA-256 in base64, for the page's own policy: nothing else runs in it. */
  readonly hash: (text: string) => string
}

/** A page that holds its trace. */
export function diagramPage(parts: PageParts, lines: readonly TraceLine[]): string {
  const data = JSON.stringify(lines).replace(/</g, '\\u003c')
  const trace = `<script type="application/json" id="trace">${data}</script>`
  return frame(parts, '', trace, "default-src 'none'")
}

/** @param above what stands above the diagram */
export function frame(parts: PageParts, above: string, data: string, policy: string): string {
  const { title, script, hash } = parts
  const style = COLOURS + FONTS + PAGE_STYLE
  const sources = `script-src 'sha256-${hash(script)}'; style-src 'sha256-${hash(style)}'`
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}; ${sources}; img-src data:">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeText(title)}</title>`,
    '<link rel="icon" href="data:,">',
    `<style>${style}</style>`,
    '</head>',
    above === '' ? '<body>' : '<body data-live="true">',
    above === '' ? `<h1>${escapeText(title)}</h1>` : above,
    DIAGRAM,
    data,
    `<script>${script}</script>`,
    '</body>',
    '</html>\n',
  ].join('\n')
}

const DIAGRAM = `<section class="diagram" aria-label="Space-time diagram">
<div class="tools">
<span id="count"></span>
<label>Show <select id="lock"></select></label>
<label><input type="checkbox" id="views"> views</label>
<label><input type="checkbox" id="variables"> variables</label>
<span class="group"><button id="previous" type="button" aria-label="Previous event">←</button><button id="next" type="button" aria-label="Next event">→</button></span>
<span class="group"><button id="out" type="button" aria-label="Zoom out">−</button><button id="in" type="button" aria-label="Zoom in">+</button><button id="fit" type="button">Fit</button></span>
</div>
<div id="stage" tabindex="0" role="group" aria-label="Diagram" aria-describedby="keys">
<svg id="canvas" aria-hidden="true"><g id="cursor"></g><g id="drawing"></g></svg>
<svg id="labels" width="${LABELS_WIDTH}" aria-hidden="true"></svg>
</div>
<p id="keys" class="keys"><kbd>→</kbd> <kbd>←</kbd> step through the events, <kbd>↓</kbd> <kbd>↑</kbd> go to another host, <kbd>Enter</kbd> follows a message, <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> zoom. Drag to move; Ctrl and the wheel zoom.<br>3@1 is host 3 at Lamport time 1; [3@1 1@2] the queue of a host, in order; {1,2} who has replied.</p>
<p id="now" role="status"></p>
<table class="states"><caption>Queues and replies by then</caption><tbody id="states"></tbody></table>
<details id="all"><summary>All events as text</summary><ol id="list"></ol></details>
<div id="tip" role="tooltip" hidden></div>
</section>`
