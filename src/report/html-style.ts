/** The page's style sheet: light and dark by the reader's choice, and for paper. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --text: #1c2430; --soft: #566173; --line: #d5dae2;
  --accent: #1f5fbf; --kept: #8fb8de; --shared: #a9d3b9; --dropped: #f0b58a; --damaged: #d9707c;
  --cell-text: #14202e; --hatch: #6b3a16; --bad: #a3182b; --focus: #0b57d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161c; --card: #1a2029; --text: #e5e9f0; --soft: #a3aebf; --line: #343d4b;
    --accent: #8ab4f8; --kept: #35628c; --shared: #346b4c; --dropped: #94531f; --damaged: #9c2f3f;
    --cell-text: #f5f7fa; --hatch: #f3cfae; --bad: #ff9aa6; --focus: #a8c7fa;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main, header.top, footer { max-width: 1280px; margin: 0 auto; padding: 0 20px; }
header.top { padding-top: 24px; }
h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 10px; }
.sub { color: var(--soft); margin: 2px 0 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px; margin: 18px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 18px 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 22px; font-weight: 600; }
.tiles dd small { display: block; font-size: 13px; font-weight: 400; color: var(--soft); }
.tiles .main { border-left: 4px solid var(--accent); }
.approve { border-left: 4px solid var(--accent); }
.approve code { overflow-wrap: anywhere; }
code { font: 13px/1.4 ui-monospace, monospace; }
.warn { border-left: 4px solid var(--bad); }
.warn ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }
button { font: inherit; color: var(--accent); background: none; border: 0; padding: 2px 4px; cursor: pointer; text-align: inherit; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 1px; }
#crumbs { list-style: none; display: flex; flex-wrap: wrap; margin: 0 0 6px; padding: 0; }
#crumbs li { overflow-wrap: anywhere; }
#crumbs li + li::before { content: '\\203a'; color: var(--soft); padding: 0 2px; }
#crumbs [aria-current] { color: var(--text); font-weight: 600; }
#treemap { display: block; width: 100%; height: 460px; }
#treemap [role='button'] { cursor: pointer; outline: none; }
#treemap [role='button']:focus-visible > rect:first-of-type { stroke: var(--focus); stroke-width: 4; }
#treemap .frame { fill: var(--ground); stroke: var(--line); }
#treemap text { font-size: 12px; pointer-events: none; fill: var(--cell-text); }
#treemap text.head { font-weight: 600; fill: var(--text); }
#treemap .cell.kept { fill: var(--kept); } #treemap .cell.shared { fill: var(--shared); }
#treemap .cell.dropped { fill: var(--dropped); } #treemap .cell.damaged { fill: var(--damaged); }
#treemap .hatch { pointer-events: none; opacity: .35; }
.hatching { stroke: var(--hatch); stroke-width: 2; }
#detail { min-height: 1.5em; margin: 6px 0 0; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 8px 0 0; padding: 0; list-style: none; color: var(--soft); font-size: 13px; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.swatch.kept { background: var(--kept); } .swatch.shared { background: var(--shared); }
.swatch.dropped { background: var(--dropped); } .swatch.damaged { background: var(--damaged); }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 18px; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: 14px; }
.curves svg { width: 100%; height: auto; }
.grid { stroke: var(--line); } .axis { font-size: 11px; fill: var(--soft); }
.curve { fill: none; stroke: var(--accent); stroke-width: 2; } .area { fill: var(--accent); opacity: .14; }
summary { cursor: pointer; color: var(--accent); }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin-bottom: 8px; }
.bar label { color: var(--soft); font-size: 13px; }
.bar input { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--soft); border-radius: 6px; padding: 4px 8px; min-width: 220px; }
.status, .empty { color: var(--soft); margin: 0; font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
table.small { width: auto; }
th, td { text-align: left; padding: 5px 8px; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { white-space: nowrap; }
td.text { overflow-wrap: break-word; max-width: 320px; }
td.code { white-space: nowrap; font: 13px/1.6 ui-monospace, monospace; }
th.count, th.bytes, td.count, td.bytes { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.day { white-space: nowrap; }
th[aria-sort='ascending'] button::after { content: ' \\2191'; } th[aria-sort='descending'] button::after { content: ' \\2193'; }
.pill { border-radius: 4px; padding: 1px 7px; white-space: nowrap; color: var(--cell-text); background: var(--kept); }
.pill.drop, .pill.dropped, .pill.garbage { background: var(--dropped); } .pill.protect { background: var(--shared); }
.pill.damage, .pill.blind { background: var(--damaged); } .pill.notice { background: var(--line); color: var(--text); }
.pages { margin-top: 8px; }
button:disabled { color: var(--soft); cursor: default; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
footer { color: var(--soft); font-size: 13px; padding-bottom: 30px; }
@media print {
  :root { --ground: #fff; --card: #fff; --text: #000; --soft: #333; --line: #999; --accent: #123f85; --cell-text: #000;
    --kept: #c4d9ec; --shared: #cfe6d8; --dropped: #f6d3ba; --damaged: #eba9b1; --hatch: #6b3a16; }
  section, .tiles div { break-inside: avoid-page; }
  section.long { break-inside: auto; }
  .bar label, .bar input, .pages button, details:not([open]) { display: none; }
  .swatch, .pill { print-color-adjust: exact; } .pill.notice { background: #ddd; }
  #treemap { height: auto; }
  .scroll { overflow: visible; }
  table { font-size: 11px; }
  td.code { font-size: 10px; }
  thead th { white-space: normal; }
  th, td { padding: 3px 5px; }
  th button { color: var(--text); font-weight: 600; padding: 0; }
  td.text { overflow-wrap: anywhere; max-width: none; }
  tr { break-inside: avoid; }
}
`;
