/** The plain tables: what is held, what closed last, what leaked, and the pools. */
import {
  count,
  dress,
  duration,
  find,
  label,
  linesIn,
  make,
  note,
  set,
  tableRow,
  write,
} from './dom.ts'
import type { ClosedRow, HeldRow, LeakRow, Picture, PoolRow } from './picture.ts'

export type Wanted = (text: string) => boolean

const stateWords = { acquiring: 'acquiring', open: 'held', releasing: 'releasing' } as const
const reasonWords = {
  age: 'held for long',
  scope: 'outlived its scope',
  collected: 'lost, then collected',
} as const

type Fill<T> = (cell: HTMLElement, row: T, line: HTMLElement) => void

/** The lines of the table with that body: for each column the function that fills its cell. */
function tableOf<T>(
  id: string,
  key: (row: T) => string,
  ...columns: Fill<T>[]
): (rows: readonly T[]) => void {
  return linesIn<T>(find(id), key, () => {
    const { row: element, cells } = tableRow(id)
    return {
      element,
      update(row) {
        for (const [i, cell] of cells.entries()) columns[i]?.(cell, row, element)
      },
    }
  })
}

/** Text that may be too long for its cell. */
function long(cell: HTMLElement, text: string): void {
  write(cell, text)
  title(cell, text)
}

function title(cell: HTMLElement, text: string): void {
  if (cell.title !== text) cell.title = text
}

/** `at read (src/orders.ts:8:3)` is `orders.ts:8 read`: what is cut off at the end is not where it is. */
function site(cell: HTMLElement, text: string | undefined): void {
  const [, name = '', file, line] =
    /^at (?:(.*) \()?(?:.*\/)?(.+?):(\d+):\d+\)?$/m.exec(text ?? '') ?? []
  dress(cell, 'site')
  write(cell, file === undefined ? (text ?? '–') : `${file}:${line} ${name}`)
  title(cell, text ?? '')
}

const held = tableOf<HeldRow>(
  'helds',
  ({ key }) => key,
  (cell, { resource }) => long(cell, resource),
  (cell, { scope }) => {
    dress(cell, 'mono')
    long(cell, scope || '–')
  },
  (cell, { state, suspected, doing }) => {
    const waits = doing?.startsWith('idle in') === true
    dress(cell, `state ${suspected ? 'leak' : waits ? 'draining' : state}`)
    long(cell, suspected ? 'leak?' : (doing ?? stateWords[state]))
  },
  (cell, { heldMs }) => write(cell, duration(heldMs)),
  (cell, { idleMs }) => write(cell, idleMs === undefined ? '–' : duration(idleMs)),
  (cell, row) => site(cell, row.site),
)

export function showHeld(picture: Picture, wanted: Wanted): void {
  const { acquiring, open, releasing } = picture.counts
  const total = acquiring + open + releasing
  const rows = picture.held.filter((row) =>
    wanted(`${row.resource} ${row.scope} ${row.site ?? ''}`),
  )
  held(rows)
  const hidden = total > picture.held.length ? `the oldest ${picture.held.length} of ` : ''
  const hint =
    picture.held.every((row) => row.site === undefined) && total > 0
      ? ', with UNWIND_LEAKS=full also from where'
      : ''
  if (total === 0) note('helds', '', 'Nothing is held.')
  else note('helds', `${hidden}${count(total)}${hint}`, rows.length === 0 ? 'Nothing matches.' : '')
}

const closed = tableOf<ClosedRow>(
  'closed',
  ({ id }) => id,
  (cell, { outcome }) => {
    dress(cell, `state ${outcome}`)
    write(cell, outcome)
  },
  (cell, { name }) => {
    dress(cell, 'mono')
    long(cell, name)
  },
  (cell, { tookMs }) => write(cell, duration(tookMs)),
  (cell, { agoMs }) => write(cell, duration(agoMs)),
  (cell, row) => drawPast(cell, row),
)

/** What each resource went through, one below the other, as long as the scope was open. */
function drawPast(cell: HTMLElement, { bars, tookMs }: ClosedRow): void {
  // A scope that has closed stays as it is.
  if (cell.firstChild !== null) return
  const words = bars.map(
    ({ name, waitMs, heldMs, releaseMs }) =>
      `${name}: waited ${duration(waitMs)}, held ${duration(heldMs)}, released in ${duration(releaseMs)}`,
  )
  const drawn = bars.map(({ startMs, waitMs, heldMs, releaseMs }) => {
    const all = waitMs + heldMs + releaseMs
    const line = make('i')
    set(line, '--at', (100 * startMs) / (tookMs || 1))
    set(line, '--size', (100 * all) / (tookMs || 1))
    set(line, '--wait', (100 * waitMs) / (all || 1))
    set(line, '--held', (100 * (waitMs + heldMs)) / (all || 1))
    return line
  })
  const drawing = make('div', 'past', ...drawn)
  drawing.title = words.join('\n')
  drawing.setAttribute('role', 'img')
  label(drawing, words.join('; ') || 'held nothing')
  cell.append(drawing)
}

export function showClosed(picture: Picture, wanted: Wanted): void {
  const rows = picture.closed.filter(({ name, outcome }) => wanted(`${name} ${outcome}`))
  closed(rows)
  note(
    'closed',
    '',
    rows.length > 0 ? '' : picture.closed.length > 0 ? 'Nothing matches.' : 'None yet.',
  )
}

const leaks = tableOf<LeakRow>(
  'leaks',
  (row) => `${row.reason} ${row.resource} ${row.site}`,
  (cell, { resource }) => long(cell, resource),
  (cell, { reason, scope }) => {
    dress(cell, `state ${reason === 'age' ? 'draining' : 'leak'}`)
    write(cell, reasonWords[reason])
    cell.title = scope
  },
  (cell, row) => {
    write(cell, count(row.count))
    cell.title = `${count(row.returned)} came back`
  },
  (cell, { heldMs }) => write(cell, duration(heldMs)),
  (cell, row) => {
    dress(cell, 'site')
    write(cell, row.site)
  },
)

let announced = 0

export function showLeaks(picture: Picture): void {
  leaks(picture.leaks)
  find('leaks-section').hidden = picture.leaks.length === 0
  const places = picture.leaks.length
  if (places > announced) write(find('news'), `Something leaks, at ${count(places)} places by now.`)
  announced = places
}

const pools = tableOf<PoolRow>(
  'pools',
  ({ name }) => name,
  (cell, { name, total, leased, idle, limit = total, waiting }, line) => {
    if (cell.firstChild === null) {
      // `host:port/database`
      const [host = '', database] = name.split(/\/(?=[^/]*$)/)
      cell.append(make('span', '', database ?? host), make('div', 'meter', make('i'), make('i')))
      if (database !== undefined) cell.firstElementChild?.after(make('span', 'soft', host))
    }
    cell.title = name
    const full = Math.max(limit, 1)
    set(cell, '--leased', (100 * leased) / full)
    set(cell, '--idle', (100 * (leased + idle)) / full)
    dress(line, waiting > 0 || leased >= full ? 'full' : '')
  },
  (cell, { leased, limit }) =>
    write(cell, limit === undefined ? count(leased) : `${leased}/${limit}`),
  (cell, { idle }) => write(cell, count(idle)),
  (cell, { waiting }) => write(cell, count(waiting)),
)

export function showPools(picture: Picture): void {
  pools(picture.pools)
  note('pools', '', picture.pools.length === 0 ? 'No pool is open.' : '')
}
