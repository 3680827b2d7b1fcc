/**
 * The numbers that are drawn: the five at the top, three of them with their last two minutes, and how long each kind of
 * resource is held, as small histograms on one axis, so that they can be compared.
 */
import {
  count,
  drawing,
  duration,
  find,
  label,
  Lines,
  make,
  note,
  round,
  write,
  type Line,
} from './dom.ts'
import type { HeldRow, HoldTimes, Picture } from './picture.ts'

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

const open = trace('open')
const held = trace('held')
const waiting = trace('waiting')

export function showFigures({ counts, held: rows, pools, level }: Picture): void {
  open(counts.scopes)
  held(counts.open + counts.releasing)
  const queued = pools.reduce((sum, pool) => sum + pool.waiting, 0)
  waiting(Math.max(counts.acquiring, queued))
  find('waiting').classList.toggle('some', counts.acquiring + queued > 0)
  const oldest = rows.find(isOfRequest)
  figure('longest', oldest === undefined ? '–' : duration(oldest.heldMs))
  remark('longest', oldest === undefined ? '' : `${oldest.resource} in ${oldest.scope}`)
  figure('leaked', level === 'off' ? 'off' : count(counts.leaks))
  remark('leaked', counts.leaks === 0 ? `detected: ${level}` : 'see the list below')
  find('leaked').classList.toggle('some', counts.leaks > 0)
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
  const high = Math.max(...holdTimes.map((times) => times.first + times.buckets.length))
  if (holdTimes.length > 0 && (low !== first || high !== last)) {
    first = low
    last = Math.max(high, low + 6)
    drawAxis()
  }
  lines.show(holdTimes)
  note('times', '', holdTimes.length === 0 ? 'Nothing was released yet.' : '')
  find('times-axis').hidden = holdTimes.length === 0
}

const lines = new Lines<HoldTimes>(find('times'), ({ resource }) => resource, timesLine)

function timesLine(): Line<HoldTimes> {
  const name = make('span')
  const words = make('span', 'soft')
  const { svg, path } = drawing(100, 30)
  svg.setAttribute('role', 'img')
  return {
    element: make('li', '', make('p', '', name, words), svg),
    update(times) {
      const half = `half under ${duration(quantile(times, 0.5))}`
      const most = `99 % under ${duration(quantile(times, 0.99))}`
      write(name, times.resource)
      name.title = times.resource
      write(
        words,
        `${count(times.count)} · ${duration(quantile(times, 0.5))} · ${duration(quantile(times, 0.99))}`,
      )
      words.title = `${half}, ${most}`
      label(svg, `${times.resource}: ${half}, ${most}`)
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

function drawAxis(): void {
  const decades = [0.001, 0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]
  const labels = decades
    .map((ms) => ({ ms, at: (Math.log2(ms * 1_000) - first) / (last - first) }))
    .filter(({ at }) => at >= 0.04 && at <= 0.96)
    .map(({ ms, at }) => {
      const text = make('span', '', round(ms))
      text.style.left = `${at * 100}%`
      return text
    })
  find('times-axis').replaceChildren(...labels, make('span'))
}
