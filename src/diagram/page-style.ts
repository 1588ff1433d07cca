/** How a page around a diagram looks. */
export const PAGE_STYLE: string = `
*{box-sizing:border-box}
body{margin:0;padding:20px 24px 40px;background:var(--paper);color:var(--ink);font:14px/1.5 system-ui,sans-serif}
h1{font-size:20px;margin:0 0 12px}
h2{font-size:15px;margin:22px 0 6px}
.tools{display:flex;flex-wrap:wrap;align-items:center;gap:8px 16px;margin:6px 0 10px}
#count{color:var(--dim);margin-right:auto}
.tools label{display:flex;align-items:center;gap:6px}
button,select{font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:3px 10px;min-height:30px}
button:hover{background:var(--wait)}
.group{display:inline-flex}
.group button{border-radius:0;margin-left:-1px;min-width:36px}
.group button:first-child{border-radius:6px 0 0 6px}
.group button:last-child{border-radius:0 6px 6px 0}
:focus-visible{outline:3px solid var(--request);outline-offset:2px}
#stage{position:relative;height:var(--height,300px);min-height:120px;border:1px solid var(--faint);border-radius:8px;overflow:hidden;cursor:grab;touch-action:pan-y;user-select:none}
#stage:active{cursor:grabbing}
#canvas{position:absolute;inset:0;width:100%;height:100%}
#labels{position:absolute;left:0;top:0;height:100%;background:linear-gradient(to right,var(--paper) 82%,transparent);pointer-events:none}
.guide{stroke:var(--faint);stroke-width:1.5;stroke-dasharray:4 4}
.halo{fill:var(--wait);stroke:var(--request);stroke-width:2.5}
.arrow:hover .shaft{stroke-width:3}
.point:hover circle{stroke:var(--request);stroke-width:3}
.point,.section,.arrow,.label{cursor:pointer}
.keys{color:var(--dim);font-size:12.5px;margin:8px 0}
kbd{font:12px ui-monospace,monospace;border:1px solid var(--faint);border-radius:4px;padding:0 5px}
#now{font-size:15px;min-height:3em;margin:8px 0;overflow-wrap:anywhere}
table{border-collapse:collapse}
caption{text-align:left;color:var(--dim);font-size:12.5px;padding-bottom:2px}
th,td{text-align:left;padding:3px 18px 3px 0;border-bottom:1px solid var(--faint);font-weight:400;vertical-align:top;overflow-wrap:anywhere}
thead th{color:var(--dim);font-size:12.5px}
tbody th{font-weight:600;white-space:nowrap}
td.number{font-variant-numeric:tabular-nums}
#all{margin-top:16px}
#all li{margin:2px 0}
#all li span{color:var(--dim)}
#tip{position:fixed;z-index:2;max-width:440px;padding:8px 11px;border-radius:7px;background:var(--ink);color:var(--paper);font-size:13px;white-space:pre-line;pointer-events:none;box-shadow:0 3px 14px #0005;overflow-wrap:anywhere}
#tip[hidden]{display:none}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 20px}
header h1{margin:0}
#health{margin:0;color:var(--dim)}
#health.bad{color:var(--bad);font-weight:600}
.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 36px}
.tables table{width:100%}
.none{color:var(--dim)}
tr.held td:nth-child(2){color:var(--reply);font-weight:600}
tr.ghost td:nth-child(2),tr.away td:nth-child(2){color:var(--bad);font-weight:600}
.live{font-size:13px;font-weight:400;margin-left:12px}
@media (prefers-reduced-motion:no-preference){.shaft{transition:stroke-width .1s}}
`
