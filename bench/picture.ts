/**
 * A suite as a picture: a bar for each case, as long as its ratio to the baseline. Ratios that are far apart are drawn on
 * a logarithmic scale. Colours follow the reader's light or dark theme.
 */
import { describeMachine, type Result, type Row } from './report.ts'

const width = 800
const labels = 290
const numbers = 70
const bar = 16
const line = 26
const top = 64

export const styles = `<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .machine, .ratio { fill: #59636e; font-size: 12px }
  .ratio { text-anchor: start; font-variant-numeric: tabular-nums }
  .name { text-anchor: end }
  .bar { fill: #8c959f } .own { fill: #0969da } .base { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .machine, .ratio { fill: #9198a1 }
    .bar { fill: #656c76 } .own { fill: #4493f8 } .base { stroke: #9198a1 }
  }
</style>`

export function picture({ question, machine, rows }: Result): string {
  const height = top + rows.length * line + 16
  const scale = scaleFor(rows)
  const kind = isFarApart(rows) ? ' (logarithmic)' : ''
  const bars = rows.map((row, at) => drawn(row, at, scale)).join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(question)}">
${styles}
<text class="title" x="8" y="22">${escaped(question)}</text>
<text class="machine" x="8" y="42">Time as a ratio to the first row${kind}, median of three runs. ${escaped(describeMachine(machine))}</text>
<line class="base" x1="${labels + scale(1)}" x2="${labels + scale(1)}" y1="${top - 8}" y2="${height - 12}"/>
${bars}
</svg>
`
}

function drawn({ name, ratio }: Row, at: number, scale: (ratio: number) => number): string {
  const y = top + at * line
  // The baseline is 1 by definition; its own ratio is the noise of the measurement.
  const shown = at === 0 ? 1 : ratio.median
  const length = Math.max(2, scale(shown))
  const kind = name.startsWith('unwind') || name.includes('unwind:') ? 'bar own' : 'bar'
  return `<text class="name" x="${labels - 10}" y="${y + 13}">${escaped(name)}</text>
<rect class="${kind}" x="${labels}" y="${y}" width="${length.toFixed(1)}" height="${bar}" rx="2"/>
<text class="ratio" x="${(labels + length + 8).toFixed(1)}" y="${y + 13}">${shown.toFixed(2)} ×</text>`
}

function isFarApart(rows: readonly Row[]): boolean {
  return rows.some(({ ratio }) => ratio.median > 12)
}

function scaleFor(rows: readonly Row[]): (ratio: number) => number {
  const longest = Math.max(...rows.map(({ ratio }) => ratio.median), 1)
  const room = width - labels - numbers
  if (!isFarApart(rows)) return (ratio) => (ratio / longest) * room
  const lowest = Math.min(...rows.map(({ ratio }) => ratio.median), 1) / 2
  return (ratio) => (Math.log(ratio / lowest) / Math.log(longest / lowest)) * room
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
