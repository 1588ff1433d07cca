/** The page that `lamportctl diagram -o FILE.html` writes: its trace is in it. */
import type { TraceLine } from '../control/trace.ts'
import { find } from './dom.ts'
import { Viewer } from './viewer.ts'

const lines = JSON.parse(find('#trace').textContent) as readonly TraceLine[]
new Viewer(false).show(lines)
