"""How tlcore's HTML pages look: one style for light and dark, telephones and paper."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1f23; --soft: #5b6470; --line: #d9dee4; --card: #f5f7f9;
  --problem: #b3261e; --notice: #8a5a00; --good: #1b6e3c; --one: #0072b2; --two: #b85c00; --fill: 0, 114, 178; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e8ebee; --soft: #a3adb8; --line: #343b43;
  --card: #1d2226; --problem: #ff8a80; --notice: #f2bf5e; --good: #7fd6a0; --one: #62b8ee; --two: #f0a04b;
  --fill: 98, 184, 238; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 0; }
.soft, figcaption, .advice { color: var(--soft); } .soft, .advice { margin: .15rem 0 .75rem; }
section { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.kind { font-size: .78rem; font-weight: 600; } .problem .kind { color: var(--problem); }
.notice .kind { color: var(--notice); } .good { color: var(--good); font-weight: 600; }
.entries { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19.5rem), 1fr)); }
.entry.wide { grid-column: 1 / -1; }
nav { margin: .75rem 0; } nav ul { list-style: none; margin: 0; padding: 0; } nav li { margin: .2rem 0; }
a { color: inherit; text-underline-offset: .2em; }
.entry { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .7rem; }
.entry p { margin: 0 0 .4rem; } .entry p:last-child { margin: 0; }
.images { display: flex; flex-wrap: wrap; gap: .6rem; }
figure { margin: 0; width: 8.5rem; } figure img { width: 100%; height: 6.5rem; border-radius: .3rem;
  object-fit: contain; background: var(--paper); border: 1px solid var(--line); display: block; }
.unseen { font-size: .85rem; color: var(--soft); }
figcaption { font-size: .75rem; line-height: 1.3; margin-top: .2rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; } tr { border-bottom: 1px solid var(--line); }
"""
"""The style sheet shared by all pages; ``--one`` and ``--two`` are told apart by colour-blind readers, too."""
