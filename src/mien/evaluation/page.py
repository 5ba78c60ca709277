"""The shell of one self-contained HTML page: style inside, no outside file, light and dark."""

from __future__ import annotations

from html import escape

__all__ = ["html_page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #5b6776; --line: #dfe4ea; --paper: #fff; --tint: #f4f6f9;
  --blue: #0072b2; --vermilion: #c04a00; --purple: #8a2a74; --green: #00795a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #a3afbd; --line: #333d4a; --paper: #14181e;
  --tint: #1d232c; --blue: #5bb4ea; --vermilion: #f08a4b; --purple: #d58ac4; --green: #4cc9a4; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; color: var(--ink);
  background: var(--paper); margin: 0 auto; padding: 1.2rem clamp(.8rem, 3vw, 2.2rem) 4rem; max-width: 82rem; }
h1 { font-size: 1.55rem; line-height: 1.2; margin: .2rem 0 .4rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
p { max-width: 46rem; margin: .4rem 0; } .soft { color: var(--soft); } a { color: var(--blue); }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: 1rem 0; padding: .7rem .9rem;
  background: var(--tint); border: 1px solid var(--line); border-radius: .5rem; position: sticky; top: 0; z-index: 2; }
input, select, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line);
  border-radius: .3rem; padding: .15rem .4rem; }
label { display: inline-flex; gap: .35rem; align-items: center; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 1px; }
[hidden] { display: none !important; }
"""


def html_page(title: str, body: str, style: str = "", script: str = "") -> str:
    """Return a whole page.

    Args:
        title: Of the window; it is escaped.
        body: HTML, with every text in it escaped.
        style: CSS that comes after the page's own.
        script: Plain JavaScript, run at the end; it must not hold ``</script``.
    """
    code = f"<script>{script}</script>" if script else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}{style}</style>\n</head>\n<body>\n{body}\n{code}\n</body>\n</html>\n"
    )
