/** The page of `--serve`: the live feed, what is held, and three ways to order. */
export const page: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>unwind shop</title>
<style>
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent) }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
  h1 { font-size: 1.5rem; margin: 0 }
  p { opacity: .75; margin: .25rem 0 1.5rem }
  table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
  th, td { text-align: right; padding: .35rem 0 .35rem .75rem; border-bottom: 1px solid var(--line) }
  th { font-weight: 500; opacity: .75 }
  th:first-child, td:first-child { text-align: left; padding-left: 0 }
  td:last-child { font-weight: 700 }
  nav { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.5rem 0 }
  button { font: inherit; padding: .4rem .9rem; border-radius: .5rem; border: 1px solid var(--line);
    background: none; cursor: pointer }
  @media (width < 30rem) { body { font-size: 14px } }
  button:hover { border-color: currentColor }
  ul { list-style: none; margin: 0; padding: 0; font-variant-numeric: tabular-nums }
  li { display: flex; justify-content: space-between; padding: .35rem 0; border-bottom: 1px solid var(--line) }
</style>
<h1>unwind shop</h1>
<p id="state" role="status">Connecting …</p>
<table>
  <thead><tr><th></th><th>acquired</th><th>released</th><th>rolled back</th><th>held now</th></tr></thead>
  <tbody id="held"></tbody>
</table>
<nav>
  <button data-card="accepted">Order something</button>
  <button data-card="broken">With a broken card reader</button>
  <button data-card="silent" data-leave="1500">Leave in the middle</button>
</nav>
<ul id="feed" aria-live="polite"></ul>
<script type="module">
  const find = (id) => document.getElementById(id)
  const add = (parent, tag, ...children) => {
    const element = document.createElement(tag)
    element.append(...children)
    parent.append(element)
    return element
  }

  const row = ([name, { acquired, released, ended }]) => {
    const back = name === 'transactions' ? ended.failure + ended.aborted + ended.unknown : '–'
    const line = add(find('held'), 'tr')
    for (const cell of [name, acquired, released, back, acquired - released]) add(line, 'td', cell)
  }
  const refresh = async () => {
    const counts = await (await fetch('/held')).json()
    find('held').replaceChildren()
    Object.entries(counts).forEach(row)
  }

  const open = () => {
    const feed = new WebSocket(location.origin.replace('http', 'ws') + '/feed?page')
    feed.onopen = () => (find('state').textContent = 'The live feed is open.')
    feed.onmessage = ({ data }) => {
      const { sold, items, total } = JSON.parse(data)
      const line = add(find('feed'), 'li', 'Order ' + sold)
      add(line, 'span', items + (items === 1 ? ' item, ' : ' items, ') + (total / 100).toFixed(2) + ' €')
      find('feed').prepend(line)
      find('feed').children[12]?.remove()
    }
    feed.onclose = () => {
      find('state').textContent = 'The shop is closed. Looking again …'
      setTimeout(open, 1_000)
    }
  }

  const order = async ({ card, leave }) => {
    const signal = leave ? AbortSignal.timeout(Number(leave)) : undefined
    const product = 1 + Math.floor(Math.random() * 12)
    const body = JSON.stringify({
      id: 'page-' + Math.random().toString(36).slice(2),
      card,
      lines: [{ product, quantity: 1 }],
    })
    await fetch('/orders', { method: 'POST', body, signal }).catch(() => {})
  }
  for (const button of document.querySelectorAll('button')) {
    button.onclick = () => order(button.dataset).then(refresh)
  }

  open()
  setInterval(() => refresh().catch(() => {}), 500)
</script>
</html>
`
