"""The style sheet of the report: one column, system fonts, light and dark."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f4f6f9; --ink: #1f2430; --quiet: #59616f; --line: #d3d8e0;
  --nn: #c4700b; --csls: #2a7fbf; --good: #1d7a46; --bad: #b3352f; --open: #7a6514;
  --hit: #d9f0e2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171d; --panel: #1d222b; --ink: #e6e9ef; --quiet: #a3acba; --line: #39414e;
    --nn: #e09a3e; --csls: #62aee6; --good: #6fcf97; --bad: #f08a83; --open: #d9c26a;
    --hit: #1f4a34;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
}
main, header, footer { max-width: 50rem; margin: 0 auto; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .5rem; }
.quiet, figcaption, caption { color: var(--quiet); }
.cards {
  display: grid; gap: .75rem; margin: 1.75rem 0 0;
  grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr));
}
.card {
  margin: 0; padding: .9rem 1.1rem; background: var(--panel); border-radius: .6rem;
  border-left: .3rem solid var(--line);
}
.card.nn { border-color: var(--nn); } .card.csls { border-color: var(--csls); }
.card dt { color: var(--quiet); font-size: .9rem; }
.card dd { margin: 0; }
.card .value { font-size: 1.9rem; font-weight: 650; line-height: 1.25; }
.card .detail { color: var(--quiet); font-size: .9rem; }
.verdict {
  margin: 1rem 0 0; padding: 1rem 1.2rem; background: var(--panel); border-radius: .6rem;
  border-left: .3rem solid var(--open);
}
.verdict.helps { border-color: var(--good); } .verdict.hurts { border-color: var(--bad); }
.verdict p { margin: 0; } .verdict p + p { margin-top: .3rem; }
.verdict .headline { font-weight: 650; font-size: 1.1rem; }
figure { margin: 1.25rem 0; }
figcaption { font-size: .92rem; margin-top: .4rem; }
svg.plot { display: block; width: 100%; height: auto; font-family: inherit; }
svg.plot * { stroke-linejoin: round; stroke-linecap: butt; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible { outline: 2px solid var(--csls); outline-offset: 2px; }
table {
  border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%;
}
caption { text-align: left; font-size: .92rem; padding-bottom: .35rem; }
th, td {
  padding: .35rem 1.4rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line);
}
th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 600; color: var(--quiet); font-size: .9rem; }
tbody th { font-weight: 600; }
.number { text-align: right; }
td small { color: var(--quiet); white-space: nowrap; }
.hit { background: var(--hit); border-radius: .25rem; padding: 0 .25rem; margin-left: -.25rem; }
code {
  font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere;
}
ol.near { margin: 0; padding: 0; list-style: none; }
@media print { body { padding: 0; } section { break-inside: avoid; } }
"""
