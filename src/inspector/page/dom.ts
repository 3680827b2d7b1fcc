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
  update(row: T): void
}

/** The children of an element, one for each row: what stays is kept and updated in its place. */
export class Lines<T> {
  readonly #parent: Element
  readonly #key: (row: T) => string
  readonly #create: () => Line<T>
  readonly #lines = new Map<string, Line<T>>()

  constructor(parent: Element, key: (row: T) => string, create: () => Line<T>) {
    this.#parent = parent
    this.#key = key
    this.#create = create
  }

  show(rows: readonly T[]): void {
    const keys = new Set(rows.map(this.#key))
    for (const [key, { element }] of this.#lines) {
      if (keys.has(key)) continue
      element.remove()
      this.#lines.delete(key)
    }
    let place = this.#parent.firstElementChild
    for (const row of rows) {
      const { element } = this.#show(row)
      if (element === place) place = place.nextElementSibling
      else this.#parent.insertBefore(element, place)
    }
  }

  #show(row: T): Line<T> {
    const key = this.#key(row)
    const line = this.#lines.get(key) ?? this.#create()
    this.#lines.set(key, line)
    line.update(row)
    return line
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
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
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

/** `1 leak`, `2 leaks` */
export function several(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

function pad(value: number): string {
  return String(Math.floor(value)).padStart(2, '0')
}
