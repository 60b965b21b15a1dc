"""What one-step actions of the package's policies depend on, and whether they read; `-rP` prints figures."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.data.chunks import action_chunks
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import judging
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.scene import SETTINGS
from rankq_jax.evaluation import for_all_rows
from rankq_jax.lifting import jit_act
from rankq_jax.tasks.tabletop import STEPS, collect, options_of
from rankq_jax.trained_policies import load_weights, located
from rankq_jax.training import gap, weights
from rankq_jax.training.acting import with_arguments

pytestmark = pytest.mark.slow
CUBES = "cube-stacking"
NOTHING = -1


def policy_of(setting, steps):
    """A policy of the package that acts in so many steps."""
    found = weights.as_restored(load_weights(located(f"pretrained:vla-xs-{setting}")))
    return with_arguments(found, {"flow_bc.steps": str(steps)})


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_one_step_action_hardly_depends_on_where_it_starts(setting):
    """Check C3: deviations over the start, at what demonstrations see, and of their actions over all rows."""
    options, draws = dataclasses.replace(options_of(setting, "-source"), **STEPS), 32
    seen = collect(options, 16, seed=1_000, threads=1)
    actions = action_chunks(seen.action, np.cumsum(seen.truncated) - seen.truncated, 4, held=(6,))
    restored = policy_of(setting, 1)
    flow, params = restored.built.networks.policy.flow, jax.tree.map(lambda leaf: leaf[0], restored.params)

    @jax.jit
    def one_step(start):
        prefix = flow.encode(params, seen.observation)
        return start + flow.velocity(
            params, start, jnp.zeros(len(start)), prefix, flow.proprio(seen.observation)
        )

    starts = np.random.default_rng(0).normal(size=(draws, *actions.shape)).astype(np.float32)
    found = np.stack([one_step(start) for start in starts])  # [draws, rows, 28]
    over_starts = np.sqrt(found.var(axis=0, ddof=1).mean(axis=0))
    share = over_starts.mean() / actions.std(axis=0).mean()
    print(f"{setting}: {share:.1%} of the deviation of actions, {len(actions)} rows")
    assert 0.01 < share <= 0.15


MISSED = pytest.mark.xfail(strict=True, reason="one step is 14 and 31 points below ten, see docs/vla.md")


@pytest.mark.parametrize(
    "setting",
    [
        "carrot-on-plate",
        pytest.param(CUBES, marks=MISSED),
        pytest.param("spoon-in-bowl", marks=MISSED),
    ],
)
def test_one_step_succeeds_nearly_as_often_as_ten(setting):
    """Check C3: 100 episodes of the source domain, from the same starts."""
    rates = []
    for steps in (1, 10):
        success = gap.success_of(policy_of(setting, steps), options_of(setting, "-source"), 100, 0)
        rates.append(success(0.0))
    print(f"{setting}: {rates[0]:.0%} in one step, {rates[1]:.0%} in ten")
    assert abs(rates[1] - rates[0]) <= 0.1 + 1e-9


def first_lifted(restored, direction, rows):
    """`[rows]`: which cube is lifted first from the same starts; `NOTHING` where none is."""
    tables = Tables(dataclasses.replace(options_of(CUBES, "-source"), direction=direction), rows, 1)
    seen, world = tables.reset(streams(0, rows)).observation, tables.world
    starts = world.poses.copy()
    keys = jax.vmap(jax.random.key)(jnp.asarray(restored.built.seeds[:1], jnp.uint32))
    act = for_all_rows(jit_act(restored.agent.act_greedy), restored.params, keys, 1)
    found = np.full(rows, NOTHING)
    for t in range(tables.options.horizon):
        chunk = act(seen, t).reshape(rows, -1, 7)
        for k in range(chunk.shape[1]):
            world.control(chunk[:, k], None)
            for cube in range(2):
                held = judging.lifted(SETTINGS[CUBES], world.poses, world.touch, np.full(rows, cube))
                found = np.where((found == NOTHING) & held, cube, found)
        if (found != NOTHING).all():
            break
        seen = tables.observe(np.arange(rows))
    return found, starts


BELOW = pytest.mark.xfail(strict=True, reason="77 % in one step, see docs/vla.md")


@pytest.mark.parametrize(("steps", "pairs"), [(10, 50), pytest.param(1, 200, marks=BELOW)])
def test_the_other_instruction_has_the_other_cube_lifted(steps, pairs):
    """Check C4: pairs of episodes that differ in what is to be stacked on what."""
    restored = policy_of(CUBES, steps)
    (green, one), (yellow, other) = (
        first_lifted(restored, direction, pairs) for direction in ("forward", "backward")
    )
    np.testing.assert_array_equal(one, other)
    changed = (green != yellow) & (green != NOTHING) & (yellow != NOTHING)
    right = np.mean([green == 0, yellow == 1])
    print(f"{steps} steps: another cube in {changed.mean():.0%}, the right one in {right:.0%}")
    assert changed.mean() >= 0.8
