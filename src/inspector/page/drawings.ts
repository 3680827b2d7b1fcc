/**
 * What is drawn. The open scopes are lines on an axis with what they hold as bars in it; now is at its right end, and the
 * further back the denser: a request of 20 ms and a socket of last week are both seen. Above them the five numbers, beside
 * them how long each kind of resource is held.
 */
import {
  count,
  drawing,
  dress,
  duration,
  find,
  label,
  linesIn,
  make,
  note,
  round,
  set,
  tableRow,
  write,
  type Line,
} from './dom.ts'
import type { Bar, HeldRow, HoldTimes, Picture, ScopeRow } from './picture.ts'

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
  lines(rows)
  const hidden = counts.scopes > scopes.length ? `the oldest ${scopes.length} of ` : ''
  note('scopes', hidden + count(counts.scopes), rows.length === 0 ? 'No scope matches.' : '')
}

const lines = linesIn<ScopeRow>(find('scopes'), ({ id }) => id, scopeLine)

function scopeLine(): Line<ScopeRow> {
  const { row, cells } = tableRow('scopes')
  const [name, state, age, track] = cells as [HTMLElement, HTMLElement, HTMLElement, HTMLElement] // As the table has.
  const life = make('div', 'life')
  life.setAttribute('role', 'img')
  track.className = 'track'
  track.append(life)
  const bars = linesIn<readonly [Bar, ScopeRow]>(life, ([{ key }]) => key, barLine)
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
      bars(scope.bars.slice(0, mostBars).map((bar) => [bar, scope] as const))
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
  if (holds === 0) return tasks > 0 ? `Runs ${tasks} tasks.` : 'Holds nothing.'
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
  const spans = marks.flatMap((mark) => [mark, 3 * mark])
  return spans.find((one) => one >= Math.max(ms, 10 * second)) ?? ms
}

/** Draw the axis, and its lines behind all scopes. */
function drawAxis(): void {
  const shown = marks.filter((mark) => mark <= span)
  const labels = shown.toReversed().map((mark) => labelAt(Math.max(placeOf(mark), 3), round(mark)))
  find('axis').replaceChildren(...labels, labelAt(100, 'now'))
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

/** Seconds that are kept. */
const kept = 120

/** A number, and how it came about. */
function trace(id: string): (value: number) => void {
  const { svg, path } = drawing(kept - 1, 30)
  svg.setAttribute('aria-hidden', 'true')
  find(id).append(svg)
  const values: number[] = []
  return (value) => {
    values.push(value)
    if (values.length > kept) values.shift()
    const top = Math.max(4, ...values)
    const points = values.map((one, i) => {
      const x = kept - values.length + i
      return `${x} ${(29 - (26 * one) / top).toFixed(1)}`
    })
    path.setAttribute('d', `M${kept - values.length - 2} 32L${points.join('L')}L${kept + 2} 32z`)
    figure(id, count(value))
  }
}

const traces = { open: trace('open'), held: trace('held'), waiting: trace('waiting') }

export function showFigures({ counts, held: rows, pools, level }: Picture): void {
  traces.open(counts.scopes)
  traces.held(counts.open + counts.releasing)
  const queued = pools.reduce((sum, pool) => sum + pool.waiting, 0)
  traces.waiting(Math.max(counts.acquiring, queued))
  find('waiting').classList.toggle('some', counts.acquiring + queued > 0)
  const oldest = rows.find(isOfRequest)
  figure('longest', oldest === undefined ? '–' : duration(oldest.heldMs))
  remark('longest', oldest === undefined ? '' : `${oldest.resource} in ${oldest.scope}`)
  figure('leaked', level === 'off' ? 'off' : count(counts.leaks))
  const { leaks, certain } = counts
  const kinds = `${certain} certain, ${leaks - certain} suspected`
  remark('leaked', leaks === 0 ? `detection: ${level}` : kinds)
  find('leaked').classList.toggle('some', certain > 0)
}

/** What the app itself holds is meant to stay. */
function isOfRequest({ lifetime, ofApp }: HeldRow): boolean {
  return lifetime !== 'app' && !ofApp
}

function figure(id: string, text: string): void {
  write(find(id).querySelector('dd'), text)
}

function remark(id: string, text: string): void {
  const line = find(id).querySelector('dd.soft')
  write(line, text)
  line?.setAttribute('title', text)
}

/** The buckets on the axis. */
let first = 0
let last = 0

export function showTimes({ holdTimes }: Picture): void {
  const low = Math.min(...holdTimes.map((times) => times.first))
  const high = Math.max(low + 6, ...holdTimes.map((times) => times.first + times.buckets.length))
  const none = holdTimes.length === 0
  if (!none && (low !== first || high !== last)) {
    first = low
    last = high
    drawTimesAxis()
  }
  histograms(holdTimes)
  note('times', none ? '' : 'count · median · 99 %', none ? 'Nothing was released yet.' : '')
  find('times-axis').hidden = none
}

const histograms = linesIn<HoldTimes>(find('times'), ({ resource }) => resource, timesLine)

function timesLine(): Line<HoldTimes> {
  const name = make('span')
  const words = make('span', 'soft')
  const { svg, path } = drawing(100, 30)
  svg.setAttribute('role', 'img')
  return {
    element: make('li', '', make('p', '', name, words), svg),
    update(times) {
      const [half, most] = [0.5, 0.99].map((part) => duration(quantile(times, part)))
      const inFull = `half under ${half}, 99 % under ${most}`
      write(name, times.resource)
      name.title = times.resource
      write(words, `${count(times.count)} · ${half} · ${most}`)
      words.title = inFull
      label(svg, `${times.resource}: ${inFull}`)
      const shape = shapeOf(times)
      if (path.getAttribute('d') !== shape) path.setAttribute('d', shape)
    },
  }
}

/** Milliseconds at the upper end of a bucket. */
function limitOf(bucket: number): number {
  return 2 ** (bucket + 1) / 1_000
}

function quantile(times: HoldTimes, part: number): number {
  let left = times.count * part
  const at = times.buckets.findIndex((size) => (left -= size) <= 0)
  return limitOf(times.first + (at < 0 ? times.buckets.length - 1 : at))
}

/** High bars are long, so heights are square roots: what is rare is seen. */
function shapeOf(times: HoldTimes): string {
  const width = 100 / (last - first)
  const top = Math.sqrt(Math.max(...times.buckets))
  const bars = times.buckets.map((size, i) => {
    if (size === 0) return ''
    const height = Math.max(1.5, (29 * Math.sqrt(size)) / top)
    const x = (times.first - first + i) * width
    return `M${x.toFixed(2)} 30v-${height.toFixed(1)}h${(width * 0.84).toFixed(2)}V30z`
  })
  return bars.join('')
}

function drawTimesAxis(): void {
  const decades = [0.001, 0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]
  const labels = decades
    .map((ms) => ({ ms, at: (Math.log2(ms * 1_000) - first) / (last - first) }))
    .filter(({ at }) => at >= 0.04 && at <= 0.96)
    .map(({ ms, at }) => labelAt(at * 100, round(ms)))
  find('times-axis').replaceChildren(...labels, make('span'))
}

/** A label of an axis. */
function labelAt(percent: number, text: string): HTMLElement {
  const element = make('span', '', text)
  element.style.left = `${percent}%`
  return element
}
