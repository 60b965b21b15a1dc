"""How far a target domain is from that of the training, found by how often a policy succeeds there."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.envs.rollout import opened
from rankq_jax.envs.streams import stream_seed
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.variants import WIDEST, refuse_unknown
from rankq_jax.errors import InputError
from rankq_jax.evaluation import evaluate, for_all_rows
from rankq_jax.lifting import jit_act
from rankq_jax.tasks import tabletop
from rankq_jax.training.restore import Restored


class Tried(NamedTuple):
    """A gap, and the share of episodes that succeed there."""

    gap: float
    success: float


class Found(NamedTuple):
    """The end of a search.

    Attributes:
      gap: the one that was chosen.
      success: the share of episodes that succeed there.
      inside: whether that lies in the band.
      tried: every evaluation, in order.
    """

    gap: float
    success: float
    inside: bool
    tried: tuple[Tried, ...]


def find_gap(success: Callable[[float], float], low: float, high: float, halvings: int) -> Found:
    """The gap in [0, `WIDEST`] at which the success rate lies in [low, high], by bisection.

    It begins with 0 and 1, goes on to the widest gap where 1 is still above the band, and stops at the first
    gap inside. Where none is inside, because all of these lie on one side of the band or the halvings are
    used up, the gap nearest to the band is taken.

    Args:
      success: gap -> success rate; it should fall, and may be noisy.
      low: lower end of the band.
      high: upper end of the band.
      halvings: of the range, at most.

    Raises:
      ValueError: if the band is empty.
    """
    if low > high:
        raise ValueError(f"low={low} is above high={high}")
    tried = list[Tried]()

    def inside(gap: float) -> bool:
        tried.append(Tried(gap, success(gap)))
        return low <= tried[-1].success <= high

    def is_above(gap: float) -> bool:
        return not inside(gap) and tried[-1].success > high

    if is_above(0.0) and (not is_above(1.0) or not is_above(WIDEST)) and tried[-1].success < low:
        below, above = tried[-1].gap, tried[-2].gap
        for _ in range(halvings):
            middle = 0.5 * (above + below)
            if inside(middle):
                break
            above, below = (middle, below) if tried[-1].success > high else (above, middle)

    def distance(one: Tried) -> float:
        return max(low - one.success, one.success - high, 0.0)

    nearest = min(reversed(tried), key=distance)  # of equal ones the last, which the bracket has closed in on
    return Found(*nearest, distance(nearest) == 0.0, tuple(tried))


def world_of(restored: Restored, setting: str, variant: str) -> Options:
    """The target domain of a setting, or another variant, as the policy sees it; `success_of` sets the gap.

    Raises:
      InputError: if there is no such setting or variant, or the policy sees no images, which all of the gap
        is about.
    """
    ending = f"-{variant}" if variant else ""
    refuse_unknown(setting, variant)
    observation = restored.built.task.spec.observation
    if not isinstance(observation, dict) or "image" not in observation:
        raise InputError(
            f"the policy of {restored.built.task.name!r} sees no images, and a gap is one of camera, colors "
            "and light; give one that does."
        )
    height, width = observation["image"].shape[:2]
    options = dataclasses.replace(tabletop.options_of(setting, ending), image=(height, width))
    spec = tabletop.task(f"widowx-{setting}{ending}", options).spec
    if spec.words != restored.built.task.spec.words:
        raise InputError(
            f"setting={setting!r}: its observations are {spec.words[0]}, those of the policy "
            f"{restored.built.task.spec.words[0]}."
        )
    return options


def success_of(restored: Restored, options: Options, episodes: int, seed: int) -> Callable[[float], float]:
    """`gap -> share of episodes that succeed once`, of the greedy policy of the first seed.

    Every call has the same start states.

    Args:
      restored: what acts.
      options: of the world; its gap is replaced.
      episodes: of a call.
      seed: of the start states.
    """
    own = restored.built.seeds[0]
    params = jax.tree.map(lambda leaf: leaf[:1], restored.params)
    keys = jax.vmap(jax.random.key)(jnp.asarray([own], jnp.uint32))
    act = for_all_rows(jit_act(restored.agent.act_greedy), params, keys, 1)

    def success(gap: float) -> float:
        task = tabletop.task("target", dataclasses.replace(options, gap=gap))
        with opened(task.environment(episodes, restored.config.threads)) as env:
            result = evaluate(env, act, [stream_seed(own, seed)], task.measure)
        return float(result.metrics["success"].mean())

    return success
