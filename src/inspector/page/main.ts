/** The page: every picture that comes is shown, part by part, in the next frame. */
import { showFigures, showTimes } from './charts.ts'
import { duration, find, write } from './dom.ts'
import type { Picture } from './picture.ts'
import { Stream, type Status } from './stream.ts'
import { showClosed, showHeld, showLeaks, showPools } from './tables.ts'
import { showScopes } from './timeline.ts'

const words: Readonly<Record<Status, string>> = {
  connecting: 'Connecting …',
  live: 'Live',
  paused: 'Paused',
  lost: 'Connection lost. Trying again …',
  full: 'Four pages are open already. Close one.',
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
}

function receive(next: Picture): void {
  const first = picture === undefined
  picture = next
  const held = next.counts.open + next.counts.releasing
  document.title = `${held} held · ${next.app}`
  requestAnimationFrame(() => {
    showFigures(next)
    show()
    const { classList } = document.body
    classList.remove('beat')
    // Asking for a size in between lets the animation begin anew.
    if (!first && document.body.offsetWidth > 0) classList.add('beat')
  })
}

function tell(status: Status): void {
  const { classList } = document.body
  classList.toggle('live', status === 'live')
  classList.toggle('lost', status === 'lost' || status === 'stranger')
  write(find('status'), words[status])
}

const stream = new Stream(receive, tell)

const pause = find('pause')
pause.addEventListener('click', () => {
  stream.pause(!stream.paused)
  write(pause, stream.paused ? 'Resume' : 'Pause')
})

const input = find('filter')
input.addEventListener('input', () => {
  filter = input instanceof HTMLInputElement ? input.value.trim().toLowerCase() : ''
  show()
})
