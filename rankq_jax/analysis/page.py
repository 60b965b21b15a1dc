"""One HTML page that needs no network, no script and no other file."""

import base64
import html
from collections.abc import Collection, Sequence

from rankq_jax.analysis.names import shown

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; }
th, td { white-space: pre-wrap; padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
figure { display: inline-block; width: 48%; margin: 0 1% 1rem 0; }
figure img { width: 100%; }
p.note { color: #555; }
p.warning { border-left: .3rem solid #c60; padding-left: .7rem; }
th.words, td.words { text-align: left; overflow-wrap: anywhere; }
"""


def _escaped(text: str) -> str:
    """A text on one line, as HTML."""
    return html.escape(shown(text) if text else "")


def picture(png: bytes, text: str) -> str:
    """An image inside the page, with `text` for those who cannot see it."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{_escaped(text)}" src="data:image/png;base64,{data}">'


def video(gif: bytes, text: str) -> str:
    """A video inside the page with `text` below; two of them lie side by side."""
    data = base64.b64encode(gif).decode("ascii")
    image = f'<img alt="{_escaped(text)}" src="data:image/gif;base64,{data}">'
    return f"<figure>{image}<figcaption>{_escaped(text)}</figcaption></figure>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], sentences: Collection[str] = ()) -> str:
    """A table of plain texts; the columns named in `sentences` hold more than a number or a word."""
    classes = [' class="words"' if name in sentences else "" for name in head]
    cells = "".join(f"<th{kind}>{_escaped(name)}</th>" for name, kind in zip(head, classes, strict=True))
    body = ""
    for row in rows:
        filled = zip(row, classes, strict=True)
        body += f"<tr>{''.join(f'<td{kind}>{_escaped(cell)}</td>' for cell, kind in filled)}</tr>"
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def note(text: str) -> str:
    """A paragraph of explanation."""
    return f'<p class="note">{_escaped(text)}</p>'


def warning(text: str) -> str:
    """A paragraph that a reader should not pass over."""
    return f'<p class="warning">{_escaped(text)}</p>'


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """The document: a title and `(heading, HTML)` sections."""
    body = "".join(f"<section><h2>{_escaped(h)}</h2>{content}</section>" for h, content in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{_escaped(title)}</h1>{body}</body></html>\n"
    )
