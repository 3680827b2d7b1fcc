/**
 * The page without its contents: what is named here is found and filled by the modules. Tables are tables, so that a
 * screen reader can walk them; the only live regions are the two lines that speak of the connection and of new leaks.
 */

/** Those of numbers begin with `#`. */
const columns = (...names: string[]): string =>
  names
    .map(
      (name) =>
        `<th scope="col"${name[0] === '#' ? ' class="n"' : ''}>${name.replace('#', '')}</th>`,
    )
    .join('')

/** A table that scrolls by itself, and can be reached and scrolled with the keyboard. */
const table = (id: string, head: string): string => `
<div class="scroll" role="region" tabindex="0" aria-labelledby="${id}-title">
<table id="${id}-table" aria-labelledby="${id}-title"><thead><tr>${head}</tr></thead><tbody id="${id}"></tbody></table>
</div>`

const section = (id: string, title: string, content: string, extra = ''): string => `
<section id="${id}-section" class="panel">
<div class="head"><h2 id="${id}-title">${title}</h2><span class="soft" id="${id}-note"></span>${extra}</div>
${content}
<p class="empty" id="${id}-empty" hidden></p>
</section>`

const legend = `<ul class="legend" aria-label="Colours">
<li><i class="key acquiring"></i>acquiring</li><li><i class="key open"></i>held</li><li><i class="key releasing"></i>releasing</li>
</ul>`

const figure = (id: string, name: string): string => `
<div class="figure" id="${id}"><dt>${name}</dt><dd class="big"></dd><dd class="soft"></dd></div>`

export const document: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>unwind</title>
<link rel="stylesheet" href="style.css">
<script type="module" src="main.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the open scopes</a>
<header>
<span class="mark" aria-hidden="true"><i></i><i></i><i></i></span>
<h1 id="app">unwind</h1>
<p class="soft" id="about"></p>
<p id="status" role="status">Connecting …</p>
<p class="hidden" id="news" role="status"></p>
<label><span class="hidden">Show only</span><input type="search" id="filter" placeholder="Show only …"></label>
<button type="button" id="pause">Pause</button>
</header>
<main id="main" tabindex="-1">
<dl class="figures">
${figure('open', 'Open scopes')}${figure('held', 'Held')}${figure('waiting', 'Waiting')}${figure('longest', 'Longest held')}${figure('leaked', 'Leaks')}
</dl>
<div class="left">
${section('leaks', 'Leaks by site', table('leaks', columns('Resource', 'Why', '#Times', '#Noticed after', 'Acquired at')))}
${section('scopes', 'Open scopes', table('scopes', `${columns('Scope', 'State', '#Open for')}<th scope="col"><span class="hidden">Timeline, now at its right end</span><div class="axis" id="axis" aria-hidden="true"></div></th>`), legend)}
${section('helds', 'Held now', table('helds', columns('Resource', 'Scope', 'State', '#Held for', '#Last used', 'Acquired at')))}
${section('closed', 'Closed last', table('closed', columns('Outcome', 'Scope', '#Took', '#Ago', 'What it held')))}
</div>
<div class="right">
${section('pools', 'Pools', table('pools', columns('Pool', '#Leased', '#Idle', '#Waiting')))}
${section('times', 'Held for how long', '<ul id="times" class="times"></ul><div class="axis" id="times-axis" aria-hidden="true"></div>')}
</div>
</main>
</body>
</html>
`
