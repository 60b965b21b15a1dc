"""Names of jobs, which are the names of their workdirs: one folder each, whatever values they are made of."""

import hashlib
import re

LONGEST = 255  # bytes of a name that file systems take
SHORTENED = 180  # bytes of a name that was cut, so that the seeds of a pack fit behind it
MARK = "@"  # before the digest; no other made name holds it


def problem(name: object) -> str:
    """Why a name cannot be that of a workdir, in words; empty if it can."""
    if not isinstance(name, str):
        return "is no text"
    if not name or name.startswith("."):
        return "is empty" if not name else "begins with a dot"
    if "/" in name:
        return "is a path, not the name of one folder"
    if not name.isprintable():
        return "holds a line break or another character that cannot be shown"
    size = len(name.encode())
    return f"has {size} bytes, and a file system takes {LONGEST}" if size > LONGEST else ""


def folder(text: str, identity: object = None) -> str:
    """The name of a workdir for `text`: itself where that is possible, else a readable part and a digest.

    Different texts have different names, up to collisions of the digest.

    Args:
      text: what distinguishes a job.
      identity: what the digest is of, where the text does not tell jobs apart; the text then never stands
        for itself.
    """
    if identity is None and MARK not in text and not problem(text):
        return text
    return _cut(text, repr((text, identity)))


def part(name: str, seeds: str) -> str:
    """The name of a job that trains some of the seeds of the job `name`."""
    text = f"{name}_{seeds}"
    return _cut(text, text) if problem(text) else text


def _cut(text: str, identity: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9._=,+()\[\] -]+", "-", text)[:SHORTENED].lstrip(".") or "job"
    digest = hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"{readable}{MARK}{digest}"
