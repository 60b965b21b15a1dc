"""The sources of the values of a domain, from the comments that stand beside them in its module."""

import ast
import functools
import inspect
import io
import tokenize
from collections.abc import Mapping, Sequence
from typing import Any

from rankq_jax.configs import domains

# What a key has: the comment on the line where its value ends, and the same of the keys below it.
Comments = dict[str, tuple[str, Any]]


def comment(place: Sequence[str], field: str) -> str:
    """The comment beside a field of a domain; empty if there is none.

    Args:
      place: the name of the domain and the keys below which the field is, as a layer has them.
      field: its name.
    """
    if not place:
        return ""
    found = _module(place[0])
    for key in place[1:]:
        found = found.get(key, ("", {}))[1]
    return found.get(field, ("", {}))[0]


@functools.cache
def _module(name: str) -> Comments:
    """The comments of the dictionaries of a module, by their names."""
    source = inspect.getsource(domains.DOMAINS[name])
    lines = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    known: Comments = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            known[node.target.id] = ("", _of(node.value, known, lines))
    return known


def _of(node: ast.expr, known: Comments, lines: Mapping[int, str]) -> Comments:
    """The comments of an expression that is a dictionary; other expressions have none."""
    match node:
        case ast.Name(id=own):
            return known.get(own, ("", {}))[1]
        case ast.Attribute(value=ast.Name(id=module), attr=own) if module in domains.DOMAINS:
            return _module(module).get(own, ("", {}))[1]
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            return _of(value, known, lines).get(key, ("", {}))[1]
    found: Comments = {}
    if isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if name is None:
                found |= _of(value, known, lines)
            elif isinstance(name, ast.Constant):
                found[str(name.value)] = (lines.get(value.end_lineno or 0, ""), _of(value, known, lines))
    return found
