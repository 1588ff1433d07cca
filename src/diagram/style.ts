/** Colours of a diagram, light and dark: those of a document of its own, and of a page. */
export const COLOURS: string = `
svg,:root{--paper:#fff;--ink:#1c2430;--dim:#5a6675;--line:#8792a1;--faint:#c4ccd6;--request:#1f5fbf;--reply:#14763f;--release:#a84c05;--views:#7a3fb0;--variables:#0a6a7d;--bad:#bf2630;--box:#fff1c9;--edge:#b48a12;--wait:#d9e4f5}
@media(prefers-color-scheme:dark){svg,:root{--paper:#12161d;--ink:#e6ebf2;--dim:#9aa7b8;--line:#76839a;--faint:#3a4555;--request:#83b4ff;--reply:#65d39b;--release:#ffb066;--views:#cba2ff;--variables:#66cfe0;--bad:#ff8087;--box:#3a3010;--edge:#d6ab3c;--wait:#22324c}}
`

/** Shapes and letters. */
export const FONTS: string = `
svg text{font-family:system-ui,sans-serif;font-size:12px;fill:var(--ink)}
.paper{fill:var(--paper)}
text.host{font-size:14px;font-weight:600}
text.note{font-size:11px;fill:var(--dim)}
.line{stroke:var(--line);stroke-width:1.6}
.line.faint{stroke:var(--faint);stroke-dasharray:2 5}
.wait{fill:var(--wait)}
.box{fill:var(--box);stroke:var(--edge);stroke-width:1.4;fill-opacity:.75}
.section.bad .box{stroke:var(--bad);stroke-dasharray:5 3}
text.name{font-size:11px;font-weight:600;fill:var(--edge);paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.point circle,.point path{fill:var(--ink);stroke:var(--paper);stroke-width:1}
.point.inferred circle{fill:var(--paper);stroke:var(--dim)}
.point .ring{fill:var(--paper);stroke:var(--ink);stroke-width:2}
.point .bar{stroke:var(--ink);stroke-width:3}
.point.view path{fill:var(--views)}
.cross,.point .cross{stroke:var(--bad);stroke-width:2.4;fill:none}
text.mark{font-size:11px;text-anchor:middle;fill:var(--dim);paint-order:stroke;stroke:var(--paper);stroke-width:4px}
text.gap{text-anchor:middle;font-size:18px}
text.queue{font-family:ui-monospace,monospace;font-size:11px;fill:var(--dim);paint-order:stroke;stroke:var(--paper);stroke-width:4px}
text.label{font-size:11px;text-anchor:middle;paint-order:stroke;stroke:var(--paper);stroke-width:4.5px;stroke-linejoin:round}
.hit{stroke:transparent;stroke-width:12;fill:none}
.shaft{stroke-width:1.6;fill:none;stroke:var(--c)}
.head{fill:var(--c)}
.undelivered .shaft{stroke-dasharray:5 4}
text.label{fill:var(--c)}
.request{--c:var(--request)}.reply{--c:var(--reply)}.release{--c:var(--release)}.views{--c:var(--views)}.variables{--c:var(--variables)}
`
