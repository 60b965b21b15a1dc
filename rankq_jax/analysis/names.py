"""Names that users choose, as they are shown on pages, in tables and in pictures."""

import re

LONGEST = 60  # characters of a name in a picture


def shown(name: str) -> str:
    """A name as one visible line: what is invisible is written as in Python."""
    if name != name.strip() or not name:
        return repr(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def drawn(name: str) -> str:
    """A name in a picture, which would become as wide as its longest name."""
    whole, half = shown(name), LONGEST // 2
    return whole if len(whole) <= LONGEST else f"{whole[:half]}...{whole[-half:]}"


def markdown(text: str) -> str:
    """A text on one line of Markdown, also in the cell of a table: every character stands for itself.

    An underscore within a word means nothing and stays readable.
    """
    escaped = re.sub(r"([\\`*\[\]<>&|~$#!^])", r"\\\1", shown(text))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped)


def code(text: str) -> str:
    """A text as code within a line of Markdown, which nothing else is allowed in."""
    whole = shown(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", whole)), default=0))
    return f"{fence} {whole} {fence}" if "`" in whole else f"{fence}{whole}{fence}"


def block(text: str) -> str:
    """A text as a block of code in Markdown, with lines of its own."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", whole)), default=0))
    return f"{fence}\n{whole}\n{fence}"
