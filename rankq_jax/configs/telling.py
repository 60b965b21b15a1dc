"""What a user is told of a configuration: its fields, and where each value comes from."""

from rankq_jax.agents import AGENTS
from rankq_jax.bounds import described
from rankq_jax.configs import checks
from rankq_jax.configs.domains.comments import comment
from rankq_jax.configs.door import Resolved
from rankq_jax.configs.run_config import algorithms_of


def _read(resolved: Resolved) -> list[str]:
    """The fields but those of sections that no phase reads."""
    others = set(AGENTS) - {*algorithms_of(resolved.config), resolved.config.algorithm}
    return [name for name in resolved.config.flat() if name.partition(".")[0] not in others]


def describe(resolved: Resolved) -> str:
    """Every field that the configuration reads, with its value before the command line, bounds and help."""
    known, values = checks.fields_of(resolved.config), resolved.config.flat()
    lines = []
    for name in _read(resolved):
        field = known[name]
        what = ", ".join(part for part in (described(field.bound) if field.bound else "", field.unit) if part)
        lines += [f"  --config.{name}={_text(values[name])}" + (f"  ({what})" if what else "")]
        lines += [f"      {field.help}"] if field.help else []
    return "\n".join(lines)


def show(resolved: Resolved) -> str:
    """Every field that the configuration reads, a line each: value, layer, and the source of the value."""
    values = resolved.config.flat()
    rows = []
    for name in _read(resolved):
        layer = resolved.sources[name]
        source = comment(layer.place, name)
        rows.append((f"{name} = {_text(values[name])}", layer.source + (f": {source}" if source else "")))
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"{left:<{width}}  {right}" for left, right in rows)


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
