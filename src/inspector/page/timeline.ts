/**
 * The open scopes: each a line on an axis, and what it holds as bars in it. Now is at the right end of the axis, and the
 * further back the denser: a request of 20 ms and a socket of last week are both seen on it.
 */
import {
  count,
  dress,
  duration,
  find,
  label,
  Lines,
  make,
  note,
  round,
  set,
  several,
  tableRow,
  write,
  type Line,
} from './dom.ts'
import type { Bar, Picture, ScopeRow } from './picture.ts'

/** Bars that are drawn; the others are counted. */
const mostBars = 3

/** Milliseconds from the left end of the axis to now. */
let span = 0

export function showScopes({ scopes, counts }: Picture, wanted: (text: string) => boolean): void {
  const rows = scopes.filter(({ name, bars }) =>
    wanted(`${name} ${bars.map((bar) => bar.name).join()}`),
  )
  const needed = spanFor(Math.max(0, ...rows.map(({ ageMs }) => ageMs)))
  if (needed !== span) {
    span = needed
    drawAxis()
  }
  lines.show(rows)
  const hidden = counts.scopes > scopes.length ? `the oldest ${scopes.length} of ` : ''
  note('scopes', hidden + count(counts.scopes), rows.length === 0 ? 'No scope matches.' : '')
}

const lines = new Lines<ScopeRow>(find('scopes'), ({ id }) => id, scopeLine)

function scopeLine(): Line<ScopeRow> {
  const { row, cells } = tableRow(4)
  const [name, state, age, track] = cells as [HTMLElement, HTMLElement, HTMLElement, HTMLElement] // Four, as asked.
  const life = make('div', 'life')
  life.setAttribute('role', 'img')
  track.className = 'track'
  track.append(life)
  const bars = new Lines<readonly [Bar, ScopeRow]>(life, ([{ key }]) => key, barLine)
  const more = make('span', 'more')
  return {
    element: row,
    update(scope) {
      dress(row, scope.kind)
      set(row, '--depth', Math.min(scope.depth, 6))
      write(name, scope.name)
      name.title = `${scope.kind} ${scope.name} (${scope.id})`
      const shown = scope.aborted ? 'aborted' : scope.state
      write(state, shown)
      dress(state, `state ${shown === 'open' ? '' : shown}`)
      write(age, duration(scope.ageMs))
      set(life, '--at', placeOf(scope.ageMs))
      label(life, wordsFor(scope))
      bars.show(scope.bars.slice(0, mostBars).map((bar) => [bar, scope] as const))
      const others = scope.holds - Math.min(scope.bars.length, mostBars)
      write(more, `and ${others} more`)
      if (others === 0) more.remove()
      else if (!more.isConnected) life.append(more)
    },
  }
}

function barLine(): Line<readonly [Bar, ScopeRow]> {
  const name = make('span')
  const bar = make('div', '', name)
  return {
    element: bar,
    update([{ name: text, state, heldMs }, scope]) {
      const left = placeOf(scope.ageMs)
      const from = placeOf(heldMs)
      write(name, text)
      // Near the right end there is no room in the bar for its name.
      dress(bar, `bar ${state}${from > 72 ? ' late' : ''}`)
      set(bar, '--at', (100 * Math.max(0, from - left)) / (100 - left || 1))
    },
  }
}

/** What the drawing says, without the times: those would make a screen reader speak every second. */
function wordsFor({ bars, holds, tasks }: ScopeRow): string {
  if (holds === 0) return tasks > 0 ? several(tasks, 'task') : 'Holds nothing.'
  const words = { acquiring: 'waits for', open: 'holds', releasing: 'releases' } as const
  return bars.map(({ name, state }) => `${words[state]} ${name}`).join(', ')
}

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const marks = [
  100,
  second,
  10 * second,
  minute,
  10 * minute,
  hour,
  10 * hour,
  2 * day,
  20 * day,
  200 * day,
]

/** Per cent of the way from the left, for what is `ms` old. */
function placeOf(ms: number): number {
  return 100 * (1 - Math.min(1, depth(ms) / depth(span)))
}

/** The length of an axis for what is at most `ms` old. */
function spanFor(ms: number): number {
  return marks.find((mark) => mark >= Math.max(ms, 10 * second)) ?? ms
}

/** Draw the axis, and its lines behind all scopes. */
function drawAxis(): void {
  const shown = marks.filter((mark) => mark <= span)
  const labels = shown.toReversed().map((mark) => {
    const text = make('span', '', round(mark))
    text.style.left = `${Math.max(placeOf(mark), 3)}%`
    return text
  })
  const now = make('span', '', 'now')
  now.style.left = '100%'
  find('axis').replaceChildren(...labels, now)
  const grid = shown.map((mark) => {
    const at = `${placeOf(mark).toFixed(2)}%`
    return `linear-gradient(90deg,transparent ${at},var(--line) 0,var(--line) calc(${at} + 1px),transparent 0)`
  })
  find('scopes').style.setProperty('--grid', grid.join())
}

/** The logarithm, bent so that it begins at nothing. */
function depth(ms: number): number {
  return Math.log1p(ms / 60)
}
