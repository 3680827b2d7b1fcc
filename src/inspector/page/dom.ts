/**
 * How things get onto the page, and how numbers are written there. Whatever comes from outside is written as text, and
 * only what has changed is written at all.
 */

export function find(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`The page has no "${id}".`)
  return element
}

export function make(tag: string, className = '', ...content: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag)
  if (className !== '') element.className = className
  element.append(...content)
  return element
}

export function write(element: Element | null, text: string): void {
  if (element !== null && element.textContent !== text) element.textContent = text
}

export function dress(element: Element, className: string): void {
  if (element.className !== className) element.className = className
}

/** A number for the style sheet. */
export function set(element: HTMLElement, name: string, value: number): void {
  const text = value.toFixed(2)
  if (element.style.getPropertyValue(name) !== text) element.style.setProperty(name, text)
}

export function label(element: Element, text: string): void {
  if (element.getAttribute('aria-label') !== text) element.setAttribute('aria-label', text)
}

const svgNames = 'http://www.w3.org/2000/svg'

/** A drawing of one path, stretched to its box. */
export function drawing(width: number, height: number): { svg: SVGElement; path: SVGPathElement } {
  const svg = document.createElementNS(svgNames, 'svg')
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
  svg.setAttribute('preserveAspectRatio', 'none')
  const path = document.createElementNS(svgNames, 'path')
  svg.append(path)
  return { svg, path }
}

export interface Line<T> {
  readonly element: Element
  readonly update: (row: T) => void
}

/** What is in sight. */
const shown = new WeakSet<Element>()
/** What to do when an element comes into sight. */
const waking = new WeakMap<Element, () => void>()
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      shown.add(target)
      waking.get(target)?.()
    } else shown.delete(target)
  }
})

/** Of what is out of sight, one in so many is updated each time: a screen reader may be there. */
const share = 8

/**
 * Keeps the children of `parent`, one for each row: what stays is updated in its place. Five hundred of them cost little
 * more than those that can be seen.
 */
export function linesIn<T>(
  parent: Element,
  keyOf: (row: T) => string,
  create: () => Line<T>,
): (rows: readonly T[]) => void {
  const lines = new Map<string, Line<T>>()
  let turn = 0

  const lineFor = (row: T, i: number): Element => {
    const key = keyOf(row)
    const known = lines.get(key)
    const line = known ?? create()
    const { element, update } = line
    if (known === undefined) {
      lines.set(key, line)
      sight.observe(element)
    }
    waking.set(element, () => update(row))
    if (known === undefined || shown.has(element) || (i + turn) % share === 0) update(row)
    return element
  }

  return (rows) => {
    const keys = new Set(rows.map(keyOf))
    for (const [key, { element }] of lines) {
      if (keys.has(key)) continue
      element.remove()
      sight.unobserve(element)
      lines.delete(key)
    }
    turn += 1
    let place = parent.firstElementChild
    for (const [i, row] of rows.entries()) {
      const element = lineFor(row, i)
      if (element === place) place = place.nextElementSibling
      else parent.insertBefore(element, place)
    }
  }
}

/** A row of the table with that body, dressed like its headers. */
export function tableRow(id: string): { row: HTMLElement; cells: HTMLElement[] } {
  const headers = find(`${id}-table`).querySelectorAll('thead th')
  const cells = Array.from(headers, ({ className }, i) => make(i === 0 ? 'th' : 'td', className))
  cells[0]?.setAttribute('scope', 'row')
  return { row: make('tr', '', ...cells), cells }
}

/** Says how much there is, and what there is not. */
export function note(id: string, text: string, empty: string): void {
  write(find(`${id}-note`), text)
  const line = find(`${id}-empty`)
  write(line, empty)
  line.hidden = empty === ''
  const table = line.previousElementSibling
  if (table instanceof HTMLElement) table.hidden = empty !== ''
}

/** @param ms milliseconds */
export function duration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1_000)} µs`
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  // Never 60.0 s.
  if (seconds < 60) return `${Math.min(seconds, 59.9).toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} m ${pad(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${pad(minutes % 60)} m`
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`
}

/** For an axis: `1 s`, not `1.0 s`. */
export function round(ms: number): string {
  return duration(ms).replace(/\.0(?= s$)| 00 \w$/, '')
}

export function count(value: number): string {
  return value.toLocaleString('en')
}

function pad(value: number): string {
  return String(Math.floor(value)).padStart(2, '0')
}
