/**
 * How the page looks. A colour is a state: blue is held, amber waits, violet is on its way back, red has leaked or
 * failed; a pattern says the same to those who do not see it. Nothing moves but what changes, and that little.
 */
export const style: string = `
:root {
  color-scheme: light dark;
  --bg: light-dark(#f5f5f2, #0f1013);
  --panel: light-dark(#fffffe, #17181c);
  --ink: light-dark(#1a1b1f, #ebebee);
  --soft: light-dark(#5f626b, #9a9da7);
  --line: light-dark(#e5e4df, #27282e);
  --open: light-dark(oklch(.56 .13 245), oklch(.74 .12 240));
  --acquiring: light-dark(oklch(.66 .15 62), oklch(.8 .14 78));
  --releasing: light-dark(oklch(.56 .16 305), oklch(.75 .13 305));
  --good: light-dark(oklch(.52 .12 155), oklch(.76 .13 158));
  --bad: light-dark(oklch(.54 .19 25), oklch(.73 .16 22));
  --wash: color-mix(in srgb, var(--soft) 12%, transparent);
  --mono: ui-monospace, Menlo, Consolas, monospace;
  font: 13px/1.45 system-ui, sans-serif;
}
* { box-sizing: border-box }
body { margin: 0; background: var(--bg); color: var(--ink); font-variant-numeric: tabular-nums }
h1, h2, p, dl, dd, ul { margin: 0; padding: 0; list-style: none }
h1 { font-size: 16px; font-weight: 650 }
h2 { font-size: 13px; font-weight: 620 }
.soft { color: var(--soft) }
[hidden] { display: none !important }
.hidden, .skip:not(:focus) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.skip { position: fixed; z-index: 3; top: 8px; left: 8px; padding: 6px 12px; background: var(--ink); color: var(--bg); border-radius: 6px }
:focus-visible { outline: 2px solid var(--open); outline-offset: 2px; border-radius: 4px }
main:focus { outline: none }

header { position: sticky; z-index: 2; top: 0; display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; padding: 10px 20px;
  background: var(--bg); border-bottom: 1px solid var(--line) }
.mark { display: grid; gap: 2px; width: 18px }
.mark i { height: 4px; border-radius: 2px; background: var(--releasing) }
.mark i:nth-child(2) { width: 76%; background: var(--open) }
.mark i:nth-child(3) { width: 48%; background: var(--acquiring) }
#about { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
#status { display: flex; align-items: center; gap: 7px }
#status::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--acquiring) }
.live #status::before { background: var(--good) }
.lost #status::before { background: var(--bad) }
input, button { font: inherit; color: inherit; height: 28px; padding: 0 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--panel) }
input { width: 170px }
input::placeholder { color: var(--soft) }
button { cursor: pointer }
button:hover { border-color: var(--soft) }

main { display: grid; grid-template-columns: minmax(0, 1fr) 330px; gap: 14px; max-width: 1680px; margin: 0 auto; padding: 16px 20px 40px }
.left, .right { display: grid; gap: 14px; align-content: start; min-width: 0 }
.panel, .figure { background: var(--panel); border: 1px solid var(--line); border-radius: 11px; min-width: 0 }
.panel { overflow: clip }
.lost main { opacity: .55 }

.figures { grid-column: 1/-1; display: grid; grid-template-columns: repeat(5, 1fr); gap: 14px }
.figure { position: relative; overflow: hidden; padding: 12px 14px 40px }
.figure dt { color: var(--soft) }
.figure .big { font-size: 30px; line-height: 1.15; font-weight: 340; letter-spacing: -.025em; white-space: nowrap }
.figure dd.soft { position: absolute; inset: auto 14px 12px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.figure svg { position: absolute; inset: auto 0 0; width: 100%; height: 34px; color: var(--open) }
.figure path { fill: color-mix(in srgb, currentColor 13%, transparent); stroke: currentColor; stroke-width: 1.5; vector-effect: non-scaling-stroke; stroke-linejoin: round }
#waiting svg { color: var(--acquiring) }
#open svg { color: var(--soft) }
#waiting.some .big { color: var(--acquiring) }
#leaked.some { border-color: var(--bad) }
#leaked.some .big { color: var(--bad) }

.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 10px; padding: 11px 14px 9px }
.legend { display: flex; gap: 14px; margin-left: auto; color: var(--soft); font-size: 12px }
.key { display: inline-block; width: 14px; height: 9px; margin-right: 6px; border-radius: 3px }
.empty { padding: 4px 14px 16px; color: var(--soft) }

.scroll { overflow: auto; max-height: min(66vh, 620px); scrollbar-width: thin; overscroll-behavior: auto contain }
.scroll:focus-visible { outline-offset: -2px }
table { width: 100%; border-spacing: 0; table-layout: fixed }
th { font-weight: inherit; text-align: left }
thead th { position: sticky; z-index: 1; top: 0; height: 26px; padding: 0 8px; background: var(--panel); color: var(--soft); font-size: 12px; border-bottom: 1px solid var(--line) }
tbody :is(th, td) { padding: 4px 8px; height: 27px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-bottom: 1px solid var(--line) }
tbody tr:last-child > * { border-bottom: 0 }
tr > :first-child { padding-left: 14px }
tr > :last-child { padding-right: 14px }
tbody tr:hover { background: var(--wash) }
tbody th, .mono, .site { font-family: var(--mono); font-size: 12px }
.n { width: 84px; text-align: right }
.site { color: var(--soft) }
td.site { white-space: pre }

.state::before { content: ""; display: inline-block; width: 7px; height: 7px; margin-right: 7px; border-radius: 50%; background: var(--tone, var(--soft)) }
.open { --tone: var(--open) }
.acquiring, .draining, .aborted { --tone: var(--acquiring) }
.releasing, .closing { --tone: var(--releasing) }
.failure, .leak { --tone: var(--bad) }
.success { --tone: var(--good) }
.state:is(.failure, .leak, .aborted, .acquiring) { color: color-mix(in srgb, var(--tone) 72%, var(--ink)) }
.state.unknown::before { background: none; border: 1.5px solid var(--soft) }
.state.aborted::before, .state.acquiring::before { border-radius: 1px; rotate: 45deg }
.state.failure::before, .state.leak::before { border-radius: 1px }

#scopes-table th:nth-child(1) { width: 25% }
#scopes-table th:nth-child(2) { width: 92px }
#scopes th { padding-left: calc(14px + var(--depth, 0) * 16px) }
#scopes th::before { content: ""; display: inline-block; width: 7px; height: 7px; margin-right: 8px; border-radius: 50%; background: var(--soft) }
#scopes .app th::before { border-radius: 2px; background: var(--ink) }
#scopes .scope th::before { background: none; border: 1.5px solid var(--soft) }
.axis { position: relative; height: 100% }
.axis span { position: absolute; translate: -50%; white-space: nowrap }
.axis span:last-child { translate: -100% }
thead .axis span { line-height: 26px }
#scopes .track { position: relative; padding: 0 14px 0 0; overflow: hidden; background: var(--grid) content-box }
thead th:last-child:has(.axis) { padding-left: 0 }
.life { position: relative; min-height: 18px; margin: 4px 0 4px calc(var(--at, 0) * 1%); padding: 1px 0;
  background: var(--wash); border-left: 2px solid color-mix(in srgb, var(--soft) 65%, transparent); border-radius: 3px }
.bar { position: relative; height: 16px; margin-left: calc(var(--at, 0) * 1%); border-left: 3px solid var(--tone); border-radius: 3px;
  background: color-mix(in srgb, var(--tone) 30%, var(--panel)); font: 11px/16px var(--mono) }
.bar + .bar { margin-top: 2px }
.bar.acquiring, .key.acquiring { background: repeating-linear-gradient(135deg, color-mix(in srgb, var(--tone) 55%, transparent) 0 3px, color-mix(in srgb, var(--tone) 18%, transparent) 3px 6px) }
.bar.releasing, .key.releasing { background: linear-gradient(90deg, color-mix(in srgb, var(--tone) 45%, var(--panel)), color-mix(in srgb, var(--tone) 12%, var(--panel))) }
.key.open { background: color-mix(in srgb, var(--tone) 55%, var(--panel)) }
.bar span { position: absolute; left: 5px; white-space: nowrap; text-shadow: 0 0 3px var(--panel), 0 0 3px var(--panel) }
.bar.late span { left: auto; right: calc(100% + 8px) }
.more { font-size: 11px; color: var(--soft); padding-left: 5px }

#helds-table th:nth-child(1) { width: 20% }
#helds-table th:nth-child(3) { width: 142px }
#helds-table th:nth-child(6) { width: 32% }
#closed-table th:first-child { width: 106px }
#closed th { font: inherit }
#closed-table th:nth-child(5) { width: 38% }
.past { overflow: hidden; padding: 2px 0; background: var(--wash); border-radius: 3px }
.past:empty { padding: 5px 0 }
.past i { display: block; height: 5px; min-width: 2px; margin: 1px 0 1px calc(var(--at) * 1%); width: calc(var(--size) * 1%); border-radius: 2px; background: linear-gradient(90deg,
  var(--acquiring) calc(var(--wait) * 1%), var(--open) 0 calc(var(--held) * 1%), var(--releasing) 0) }
#leaks-table th:nth-child(1) { width: 18% }
#leaks-table th:nth-child(2) { width: 190px }
#leaks-table th:nth-child(4) { width: 110px }
thead th { font-family: inherit !important }

#pools-table .n { width: 60px }
#pools th { padding-bottom: 18px; position: relative }
#pools th span { display: block; overflow: hidden; text-overflow: ellipsis }
.meter { position: absolute; inset: auto 8px 8px 14px; height: 6px; border-radius: 3px; overflow: hidden; background: var(--wash) }
.meter i { position: absolute; inset: 0 auto 0 0; width: calc(var(--idle, 0) * 1%); background: color-mix(in srgb, var(--open) 35%, transparent); transition: width .4s }
.meter i + i { width: calc(var(--leased, 0) * 1%); background: var(--open) }
.full .meter i + i { background: var(--acquiring) }
#pools .full td:last-child { color: var(--acquiring); font-weight: 700 }

.times li { padding: 4px 14px 6px }
.times p { display: flex; justify-content: space-between; gap: 8px; white-space: nowrap }
.times p span:first-child { overflow: hidden; text-overflow: ellipsis; font: 12px var(--mono) }
.times svg { display: block; width: 100%; height: 34px; margin-top: 3px; border-bottom: 1px solid var(--line) }
.times path { fill: color-mix(in srgb, var(--open) 72%, var(--panel)) }
#times-axis { height: 24px; margin: -2px 14px 6px; color: var(--soft); font-size: 11px }

@media (width < 1080px) { main { grid-template-columns: minmax(0, 1fr) } }
@media (width < 720px) {
  header, main { padding-inline: 12px }
  #about { order: 9; flex-basis: 100% }
  #status { margin-left: auto }
  label, input { flex: 1; width: 100% }
  main, .left, .right, .figures { gap: 10px }
  .figures { grid-template-columns: 1fr 1fr }
  .figure .big { font-size: 24px }
  #scopes-table th:nth-child(1) { width: 44% }
  #scopes-table :is(th, td):nth-child(2), #helds-table :is(th, td):is(:nth-child(5), :nth-child(6)), #closed-table :is(th, td):is(:nth-child(4), :nth-child(5)), #leaks-table :is(th, td):is(:nth-child(2), :nth-child(4)) { display: none }
  #helds-table th:nth-child(1) { width: 32% }
  .legend { margin-left: 0 }
  #leaked { grid-column: 1/-1 }
  #axis span:nth-last-child(even) { display: none }
  #leaks-table th:nth-child(1) { width: 34% }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important } }
@media (forced-colors: active) { .bar, .key, .meter i, .mark i, .state::before { forced-color-adjust: none } }
`
