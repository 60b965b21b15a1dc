"""Writes docs/api.md: every public name of `rankq_jax`, with its signature and its documentation.

python docs/make_api.py [--check]
"""

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import rankq_jax as rq

PAGE = Path(__file__).resolve().parent / "api.md"
HEAD = """# API

Everything here is `import rankq_jax as rq`, then `rq.NAME`. `python docs/make_api.py` writes this page.
"""


def _signature(value: Any) -> str:
    try:
        return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


def _entry(name: str, value: Any, level: str) -> str:
    text = inspect.getdoc(value) or ""
    if isinstance(value, ModuleType):
        public = [n for n in getattr(value, "__all__", ()) if callable(getattr(value, n))]
        inner = "\n".join(_entry(f"{name}.{n}", getattr(value, n), "###") for n in sorted(public))
        return f"{level} {name}\n\n{text}\n\n{inner}"
    head = f"{level} {name}\n\n"
    call = f"```python\n{name}{_signature(value)}\n```\n\n" if callable(value) else ""
    return f"{head}{call}```text\n{text}\n```\n"


def page() -> str:
    """The text of the page."""
    return (
        HEAD + "\n" + "\n".join(_entry(f"rq.{name}", getattr(rq, name), "##") for name in sorted(rq.__all__))
    )


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())
