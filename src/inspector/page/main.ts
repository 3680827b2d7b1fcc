/**
 * The page: pictures as long as somebody looks, each shown in the next frame. A hidden or paused page asks for nothing,
 * and one that was turned away finds out why.
 */
import { duration, find, write } from './dom.ts'
import { showFigures, showScopes, showTimes } from './drawings.ts'
import type { Picture } from './picture.ts'
import { showClosed, showHeld, showLeaks, showPools } from './tables.ts'

type Status = 'connecting' | 'live' | 'paused' | 'lost' | 'stranger'

const words: Readonly<Record<Status, string>> = {
  connecting: 'Connecting …',
  live: 'Live',
  paused: 'Paused',
  lost: 'Connection lost. Trying again …',
  stranger: 'The program was restarted. Open the URL that it prints.',
}

let picture: Picture | undefined
let filter = ''

function wanted(text: string): boolean {
  return filter === '' || text.toLowerCase().includes(filter)
}

function show(): void {
  if (picture === undefined) return
  const { app, pid, node, upMs } = picture
  write(find('app'), app)
  write(find('about'), `process ${pid} · Node.js ${node.slice(1)} · up ${duration(upMs)}`)
  showLeaks(picture)
  showScopes(picture, wanted)
  showHeld(picture, wanted)
  showClosed(picture, wanted)
  showPools(picture)
  showTimes(picture)
  boxes.forEach(settle)
}

const boxes = document.querySelectorAll<HTMLElement>('.left .scroll')

/** A box that grew shrinks only little by little: what stands below it would dance with every request. */
function settle(box: HTMLElement): void {
  const height = (box.firstElementChild as HTMLElement | null)?.offsetHeight ?? 0 // It is its table.
  const before = Number.parseFloat(box.style.minHeight) || 0
  box.style.minHeight = `${Math.min(Math.max(height, before - 3), innerHeight * 0.5)}px`
}

function receive(next: Picture): void {
  if (picture !== undefined) beat()
  picture = next
  const held = next.counts.open + next.counts.releasing
  document.title = `${held} held · ${next.app}`
  requestAnimationFrame(() => {
    showFigures(next)
    show()
  })
}

/** The one thing that moves by itself: the dot of the status, once a picture. */
function beat(): void {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
  find('status').animate([{ opacity: 0.3 }, {}], { duration: 300, pseudoElement: '::before' })
}

function tell(status: Status, text: string = words[status]): void {
  const { classList } = document.body
  classList.toggle('live', status === 'live')
  classList.toggle('lost', status === 'lost' || status === 'stranger')
  write(find('status'), text)
}

let source: EventSource | undefined
let paused = false

/** Begin to follow, or stop, as things are now. */
function look(): void {
  source?.close()
  source = undefined
  if (paused) tell('paused')
  else if (document.visibilityState === 'visible') follow()
}

function follow(): void {
  const opened = new EventSource('events')
  source = opened
  opened.addEventListener('message', ({ data }: MessageEvent<string>) => {
    tell('live')
    // It comes from the server of this very page.
    receive(JSON.parse(data) as Picture)
  })
  opened.addEventListener('error', () => {
    // The browser tries again by itself, unless it was refused.
    if (opened.readyState !== EventSource.CLOSED) tell('lost')
    else void askWhy(opened)
  })
}

async function askWhy(refused: EventSource): Promise<void> {
  const [status, text] = await answerToUs().catch((): Said => ['lost'])
  if (source !== refused) return
  tell(status, text)
  setTimeout(() => {
    if (source === refused) look()
  }, 3_000)
}

type Said = [status: Status, text?: string]

/** An event source does not tell what the server says to those it turns away: that it is full, or shuts down. */
async function answerToUs(): Promise<Said> {
  const answer = await fetch('events')
  if (answer.status === 503) return ['lost', await answer.text()]
  // By now there may be a place for us.
  void answer.body?.cancel()
  return [answer.status === 401 ? 'stranger' : 'lost']
}

const pause = find('pause')
pause.addEventListener('click', () => {
  paused = !paused
  write(pause, paused ? 'Resume' : 'Pause')
  look()
})

const input = find('filter')
input.addEventListener('input', () => {
  filter = input instanceof HTMLInputElement ? input.value.trim().toLowerCase() : ''
  show()
})

document.addEventListener('visibilitychange', look)
look()
