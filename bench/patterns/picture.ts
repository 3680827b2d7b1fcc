/** What a request takes that is alone, with a connection of its own and with a leased one, over each distance. */
import { escaped, styles } from '../picture.ts'
import { describeMachine, type Machine } from '../report.ts'
import { milliseconds } from './verdicts.ts'
import type { Finding } from './patterns.ts'

const width = 760
const labels = 190
const numbers = 120
const top = 64
const pair = 46

export function picture(machine: Machine, findings: readonly Finding[]): string {
  const closed = findings.filter(({ pattern }) => pattern === 'closed')
  const leased = findings.filter(({ pattern }) => pattern === 'leased')
  const longest = Math.max(...closed.map(({ alone }) => alone ?? 0))
  const height = top + closed.length * pair + 12
  const length = ({ alone = 0 }: Finding): number =>
    Math.max(1, (alone / longest) * (width - labels - numbers))
  const bars = closed.map((one, at) => {
    const y = top + at * pair
    const { roundTrip, handshake } = one.distance
    const label = `${roundTrip} ms, ${escaped(handshake)}`
    return `<text class="name" x="${labels - 10}" y="${y + 21}">${label}</text>
${bar('bar', y, length(one), `${milliseconds(one.alone ?? NaN)} closed`)}
${leasedBar(leased[at], y + 18, length)}`
  })
  const title = 'What does a request take that opens its own connection, and one that leases it?'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
${styles}
<text class="title" x="8" y="22">${title}</text>
<text class="machine" x="8" y="42">One client alone. ${escaped(describeMachine(machine))}</text>
${bars.join('\n')}
</svg>
`
}

function leasedBar(
  one: Finding | undefined,
  y: number,
  length: (finding: Finding) => number,
): string {
  if (one === undefined) return ''
  return bar('bar own', y, length(one), `${milliseconds(one.alone ?? NaN)} leased`)
}

function bar(kind: string, y: number, length: number, text: string): string {
  return `<rect class="${kind}" x="${labels}" y="${y}" width="${length.toFixed(1)}" height="16" rx="2"/>
<text class="ratio" x="${(labels + length + 8).toFixed(1)}" y="${y + 13}">${text}</text>`
}
