"""What a run holds in memory, estimated from its configuration before any of it is allocated."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rankq_jax.agents import AGENTS, reads
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.errors import InputError
from rankq_jax.specs import TaskSpec, is_image
from rankq_jax.training.build import Experiment, capacity, example
from rankq_jax.types import PREFERRED_ACTION

# Files of Linux with bytes: the limit of a group of processes, and what they hold.
GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
# What the size of the replay buffers grows with.
COLLECTED = ("seeds", "replay_capacity", "collect.env_steps", "online.env_steps")


class Part(NamedTuple):
    """A piece of what is held.

    Attributes:
      what: it is, in words.
      size: in bytes; never more than what will be held.
      fields: whose product it grows with.
    """

    what: str
    size: float
    fields: tuple[str, ...]


def available() -> float:
    """Bytes that this process can still have on the host; infinite where the system does not say."""
    found = [float("inf")]
    for limit, used in GROUPS:
        try:
            found.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such group, or one without a limit
            continue
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        found.append(1024.0 * int(lines["MemAvailable"].split()[0]))
    except (OSError, ValueError, KeyError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return min(found)


def on_device(device: jax.Device) -> float:
    """Bytes of an accelerator; infinite where it does not say, and on a CPU, whose memory is the host's."""
    statistics = None if device.platform == "cpu" else device.memory_stats()
    return float((statistics or {}).get("bytes_limit", "inf"))


def bytes_of(tree: Any) -> int:
    """Bytes of the arrays of a pytree, or of what has their shapes and types."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _scaled(spec: TaskSpec) -> int:
    """Bytes of the images of a row, which an encoder scales to float32."""
    images = [leaf for leaf in jax.tree.leaves(spec.observation) if is_image(leaf)]
    return 2 * sum(4 * leaf.size for leaf in images)


def learning(config: RunConfig, built: Experiment) -> list[Part]:
    """What lies where the updates are computed, of all seeds."""
    row = bytes_of(example(config, built.task))
    names = algorithms_of(config)
    sections = [config.sections.get(name, {}) for name in names]
    batches = (AGENTS[name].batches_per_update(**given) for name, given in zip(names, sections, strict=True))
    # Of the actions that a regularizer or a backup asks a critic about, the activations of one hidden layer.
    actions = max(max(3 * s.get("samples", 0), s.get("backup_samples", 1)) for s in sections)
    widest = max(config.critic_hidden, default=1)
    asking = any(reads(name, PREFERRED_ACTION) for name in names)
    sizes = [0, *config.preferences.rank_net_hidden]
    ranker = 12 * asking * sum(wide * (narrow + 1) for narrow, wide in itertools.pairwise(sizes))
    replay = capacity(config) * row
    evaluated = 4 * config.batch_size * actions * config.critics * widest
    networks = ("seeds", "critics", "critic_hidden", "actor_hidden")
    return [
        Part("the ranking functions", config.seeds * ranker, ("seeds", "preferences.rank_net_hidden")),
        Part("networks and optimizers", config.seeds * bytes_of(built.state), networks),
        Part("replay buffers", config.seeds * replay, COLLECTED),
        Part("a batch", config.batch_size * max(batches) * (row + _scaled(built.task.spec)), ("batch_size",)),
        Part("the values of a batch", evaluated, ("batch_size", "critics", "critic_hidden")),
    ]


def beside(config: RunConfig, built: Experiment) -> list[Part]:
    """What lies on the host in any case: recorded steps of the environments, and the dataset that is made."""
    probe = built.task.spec
    # Both observations, the reward and the number of the episode in 8 bytes, the action in 4, three flags.
    step = 2 * bytes_of(probe.observation) + 4 * probe.action_size + 8 + 8 + 3
    made = not config.dataset and built.task.generators and config.dataset_storage == "memory"
    rows = config.dataset_steps if made else 0
    episode = config.seeds * probe.horizon * step
    envs = config.train_envs if config.collect.env_steps or config.online.env_steps else 0
    dataset = rows * (step + bytes_of(example(config, built.task)))
    evaluation = config.evaluation_episodes * episode
    return [
        Part("the episodes of an evaluation", evaluation, ("seeds", "evaluation_episodes")),
        Part("the episodes that are being collected", envs * episode, ("seeds", "train_envs")),
        Part("the dataset", dataset, ("dataset_steps",)),
    ]


def in_words(size: float) -> str:
    """Bytes in a unit that needs few digits, e.g. `1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000.0:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} EB"


def _refuse(config: RunConfig, parts: Sequence[Part], room: float, where: str) -> None:
    total = sum(part.size for part in parts)
    if total <= room:
        return
    part, every = max(parts, key=lambda part: part.size), config.flat()
    values = {name: every[name] for name in part.fields}
    widths = {name: value for name, value in values.items() if isinstance(value, tuple)}
    counts = {name: value for name, value in values.items() if name not in widths and value > 1}
    largest = sorted(counts.items(), key=lambda count: -count[1])
    fields = ", ".join(f"config.{name}={value}" for name, value in [*widths.items(), *largest])
    raise InputError(
        f"{fields}: {part.what} would take {in_words(part.size)}, all of the run {in_words(total)}, and "
        f"{in_words(room)} are available {where}; choose less."
    )


def check(config: RunConfig, built: Experiment) -> None:
    """Refuses a run that needs more memory than there is. What it counts is less than what a run takes.

    Raises:
      InputError: names the fields of the largest part, the estimate, and what is available.
    """
    device = built.training[0]
    if device.platform == "cpu":
        _refuse(config, learning(config, built) + beside(config, built), available(), "here")
        return
    share = -(-config.seeds // built.layout.devices) / config.seeds
    held = [part._replace(size=part.size * share) for part in learning(config, built)]
    _refuse(config, held, on_device(device), "on each device")
    _refuse(config, beside(config, built), available(), "here")
