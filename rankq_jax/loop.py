"""The training loop: the one place where collecting, updating, evaluating and reporting meet."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.data import buffer as ring
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.mixture import Sources
from rankq_jax.envs.batch import streams
from rankq_jax.envs.rollout import Recorder, collect, recorder
from rankq_jax.errors import NumericsError
from rankq_jax.evaluation import Evaluation, evaluate, for_all_rows
from rankq_jax.lifting import stepwise
from rankq_jax.parallel import Layout
from rankq_jax.phases import Phase, due
from rankq_jax.timing import Stopwatch
from rankq_jax.types import BatchEnv, EnvState, Episodes, Key, Transition

ROWS_PER_ADD = 1024  # transitions per seed that one call of the buffer takes


class World(NamedTuple):
    """What a run acts on and learns from.

    Attributes:
      env: rows that data is collected from, `S * n` of them, those of one seed together.
      evaluation_env: rows that are evaluated, likewise.
      dataset: offline data, numpy leaves `[N, ...]`.
      prepare: labels whole online episodes exactly as the dataset was labelled.
      capacity: transitions that the replay buffer of a seed holds.
      seeds: the S seeds, distinct.
    """

    env: BatchEnv
    evaluation_env: BatchEnv
    dataset: Transition
    prepare: Callable[[Episodes], Transition]
    capacity: int
    seeds: Sequence[int]


class Progress(NamedTuple):
    """Where a run is. Plain numbers; counts are per seed."""

    phase: int = 0
    round: int = 0
    updates: int = 0
    env_steps: int = 0
    phase_env_steps: int = 0
    owed: float = 0.0


class RunState(NamedTuple):
    """Everything that the rest of a run depends on, besides its configuration and its dataset."""

    agent: Any
    buffer: Any
    env: EnvState
    recorder: Recorder
    progress: Progress


class Listener(NamedTuple):
    """Where a run reports to. The loop itself writes nothing.

    Attributes:
      metrics: called once per round with `(phase name, progress, {name: [S]})`.
      episodes: called with `(progress, [(seed, Episodes)])` when training episodes end.
      evaluation: called with `(phase name, progress, Evaluation, last of the phase)`.
      checkpoint: called with `RunState`; must copy what it keeps before it returns.
    """

    metrics: Callable[[str, Progress, dict[str, np.ndarray]], None]
    episodes: Callable[[Progress, list[tuple[int, Episodes]]], None]
    evaluation: Callable[[str, Progress, Evaluation, bool], None]
    checkpoint: Callable[[RunState], None]


def _keys(seeds: Sequence[int], *path: int) -> Key:
    """`[S]` keys: a function of the seed and of the place in the run, so resuming needs no generator."""

    def one(seed: jax.Array) -> Key:
        key = jax.random.key(seed)
        for step in path:
            key = jax.random.fold_in(key, step)
        return key

    return jax.vmap(one)(jnp.asarray(seeds, jnp.uint32))


def initial(plan: Sequence[Phase], world: World, layout: Layout) -> RunState:
    """The state before the first round."""
    example = jax.tree.map(lambda x: jnp.asarray(x[:1]), world.dataset)
    keys = layout.split(_keys(world.seeds, 0, 0))
    rows = world.env.rows // len(world.seeds)
    one = ring.init(example, world.capacity)
    copies = jax.tree.map(lambda x: jnp.stack([x] * len(world.seeds)), one)
    return RunState(
        agent=plan[0].agent.init(keys, layout.replicate(example)),
        buffer=layout.split(copies),
        env=world.env.reset(np.concatenate([streams(seed, rows) for seed in world.seeds])),
        recorder=recorder(world.env),
        progress=Progress(),
    )


def run(
    plan: Sequence[Phase],
    world: World,
    layout: Layout,
    state: RunState,
    listener: Listener,
    stopwatch: Stopwatch,
) -> RunState:
    """Runs `plan` from wherever `state` is to its end.

    Keys are folded from (seed, phase, round): the collecting, updating and evaluating of a round draw
    the same numbers whatever happened before, and whichever other seeds run beside.

    Args:
      plan: the phases.
      world: environments and data.
      layout: how seeds lie on devices; the agents of the plan were lifted with the same one.
      state: from `initial`, or restored. It is consumed: its arrays are donated.
      listener: where results go.
      stopwatch: told about `collect`, `update` and `evaluate`.

    Returns:
      The final state.

    Raises:
      NumericsError: as soon as a metric is NaN or infinite; names metric, seed and update.
    """
    dataset = layout.replicate(jax.tree.map(jnp.asarray, world.dataset))
    add = layout.lift(jax.vmap(ring.add), in_axes=(0, 0, 0), donate=0)
    count = len(world.seeds)
    rows = world.env.rows // count
    agent, buffer, env, running, progress = state
    for index in range(progress.phase, len(plan)):
        phase = plan[index]
        act, mode = stepwise(phase.agent.act), stepwise(phase.agent.mode)
        for round_ in range(progress.round, phase.rounds):
            k_act, k_update, k_evaluate = (_keys(world.seeds, index + 1, round_, use) for use in range(3))
            owed = progress.owed + phase.updates
            if phase.collect:
                with stopwatch("collect"):
                    policy = for_all_rows(act, phase.agent.params(agent), k_act, count)
                    collected = collect(world.env, env, running, policy, phase.collect)
                    env, running = collected.state, collected.recorder
                    ended = [(row // rows, episode) for row, episode in collected.episodes]
                    buffer = _append(add, layout, buffer, ended, world)
                steps = phase.collect * rows
                before, after = progress.phase_env_steps, progress.phase_env_steps + steps
                owed += phase.updates_per_step * max(0, after - max(before, phase.warmup))
                progress = progress._replace(env_steps=progress.env_steps + steps, phase_env_steps=after)
                listener.episodes(progress, ended)
            ratio = np.full(count, phase.mixing_ratio(progress.env_steps), np.float32)
            sources = Sources(dataset, buffer, layout.split(jnp.asarray(ratio)))
            blocks = int(owed // phase.block)
            means: list[dict[str, np.ndarray]] = []
            with stopwatch("update"):
                for block in range(blocks):
                    keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(k_update, block)
                    agent, metrics = phase.agent.update(agent, sources, layout.split(keys))
                    done = progress.updates + block * phase.block
                    means.append(_finite_means(layout.merge(metrics), world.seeds, done))
            last = round_ + 1 == phase.rounds
            progress = progress._replace(
                phase=index + last,
                round=0 if last else round_ + 1,
                updates=progress.updates + blocks * phase.block,
                phase_env_steps=0 if last else progress.phase_env_steps,
                owed=0.0 if last else owed - blocks * phase.block,
            )
            if means:
                names = means[0].keys()
                mean = {name: np.mean([m[name] for m in means], axis=0) for name in names}
                listener.metrics(phase.name, progress, mean)
            if due(phase.evaluate_every, round_ + 1, phase.rounds):
                with stopwatch("evaluate"):
                    starts = [_start_seed(seed, index, round_) for seed in world.seeds]
                    params = phase.agent.params(agent)
                    result = evaluate(world.evaluation_env, mode, params, k_evaluate, starts)
                listener.evaluation(phase.name, progress, result, last)
            if due(phase.checkpoint_every, round_ + 1, phase.rounds):
                listener.checkpoint(RunState(agent, buffer, env, running, progress))
        progress = progress._replace(phase=index + 1, round=0)
    return RunState(agent, buffer, env, running, progress)


def _start_seed(seed: int, phase: int, round_: int) -> int:
    return int(np.random.SeedSequence([seed, phase, round_]).generate_state(1, np.uint64)[0])


@jax.jit
def _means(metrics: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: jnp.mean(value, axis=-1) for name, value in metrics.items()}


def _finite_means(metrics: dict[str, jax.Array], seeds: Sequence[int], first: int) -> dict[str, np.ndarray]:
    """`{name: [S, K]} -> {name: [S]}`; only the means travel to the host, unless one is not finite."""
    means = jax.device_get(_means(metrics))
    if all(np.isfinite(value).all() for value in means.values()):
        return means
    bad = {name: ~np.isfinite(np.asarray(value)) for name, value in metrics.items()}
    # The earliest bad update of any metric; a mean that overflowed alone is blamed on its first update.
    name = min(bad, key=lambda n: (not bad[n].any(), np.argmax(bad[n].any(axis=0)), n))
    update, seed = np.unravel_index(np.argmax(bad[name].T), bad[name].T.shape)
    value = np.asarray(metrics[name])[seed, update]
    raise NumericsError(
        f"metric {name!r} is {value} at update {first + int(update) + 1} of seed {seeds[int(seed)]}; "
        "lower the learning rates or set --config.max_gradient_norm."
    )


def _append(
    add: Callable[..., Any],
    layout: Layout,
    buffer: Any,
    ended: list[tuple[int, Episodes]],
    world: World,
) -> Any:
    """The buffers with the finished episodes of each seed, labelled, in calls of one fixed shape."""
    if not ended:
        return buffer
    seeds = range(len(world.seeds))
    labelled = [
        world.prepare(concatenate(mine)) if (mine := [e for s, e in ended if s == seed]) else None
        for seed in seeds
    ]
    size = min(ROWS_PER_ADD, world.capacity)
    longest = max(len(rows.reward) for rows in labelled if rows is not None)
    for start in range(0, longest, size):
        block = jax.tree.map(
            lambda x: np.zeros((len(world.seeds), size, *x.shape[1:]), x.dtype), world.dataset
        )
        counts = np.zeros(len(world.seeds), np.int32)
        for seed, transitions in zip(seeds, labelled, strict=True):
            if transitions is None:
                continue
            part = jax.tree.map(lambda x, s=start: x[s : s + size], transitions)
            counts[seed] = len(part.reward)
            for leaf, values in zip(jax.tree.leaves(block), jax.tree.leaves(part), strict=True):
                leaf[seed, : len(values)] = values
        buffer = add(buffer, layout.split(block), layout.split(counts))
    return buffer
