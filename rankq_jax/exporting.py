"""Greedy policies of agents as plain weights that numpy evaluates."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from rankq_jax.errors import InputError
from rankq_jax.lifting import Normalized, jit_act
from rankq_jax.trained_policies import SQUASHES, TrainedPolicy
from rankq_jax.types import Agent, Params, TaskSpec

Greedy = Callable[[np.ndarray], np.ndarray]  # observations `[n, O]` -> actions `[n, A]`

DEVIATION = ("log_std", "log_std_multiplier", "log_std_offset")  # parameters that no mode depends on
PROBES = 64  # random observations that the exported policy is compared on
TOLERANCE = 1e-4  # of an action


def _layers(params: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each dense layer of the network, in order.

    Raises:
      InputError: if the network has something else.
    """
    layers: dict[str, dict[str, np.ndarray]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [str(getattr(part, "key", getattr(part, "name", part))) for part in path]
        if len(names) >= 2 and names[-2].startswith("Dense_"):
            layers.setdefault(names[-2], {})[names[-1]] = np.asarray(leaf)
        elif names[-1] not in DEVIATION:
            raise InputError(
                f"the policy has a parameter {'/'.join(names)}, which an exported one cannot hold; "
                "choose another family of networks."
            )
    ordered = sorted(layers, key=lambda name: int(name.removeprefix("Dense_")))
    return [(layers[name]["kernel"], layers[name]["bias"]) for name in ordered]


def greedy_of(agent: Agent, params: Params, seeds: int, index: int) -> Greedy:
    """The greedy actions of one seed, as the agent of all seeds computes them.

    Args:
      agent: lifted over seeds.
      params: what acting needs of its state, leaves `[S, ...]`.
      seeds: S.
      index: of the seed, from 0.
    """
    keys = jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32))

    def greedy(observation: np.ndarray) -> np.ndarray:
        repeated = np.broadcast_to(observation.astype(np.float32), (seeds, *observation.shape))
        return np.asarray(jit_act(agent.act_greedy)(params, repeated, keys, np.int32(0)))[index]

    return greedy


def to_numpy(
    agent: Agent,
    params: Params,
    seeds: Sequence[int],
    seed: int | None,
    spec: TaskSpec,
    task: str,
    provenance: dict[str, Any],
) -> TrainedPolicy:
    """The greedy policy of one seed as plain weights.

    How the outputs of the last layer are squashed into the action range is found by comparison: the
    exported policy returns the actions of the agent on random observations.

    Args:
      agent: lifted over seeds, with a policy that is a perceptron with ReLU.
      params: what acting needs of its state, leaves `[S, ...]`.
      seeds: of the run.
      seed: one of them; None takes the first.
      spec: sizes of an observation and an action.
      task: name of the task, which the file keeps.
      provenance: how the policy was trained, which the file keeps.

    Raises:
      InputError: if there is no such seed, the network is not a plain perceptron, or no squashing gives the
        agent's actions.
    """
    if seed is not None and seed not in seeds:
        raise InputError(f"seed={seed}: the run has the seeds {', '.join(map(str, seeds))}; choose one.")
    index = 0 if seed is None else list(seeds).index(seed)
    inner = jax.tree.map(lambda leaf: np.asarray(leaf)[index], params)
    statistics: dict[str, np.ndarray] = {}
    if isinstance(inner, Normalized):
        mean, deviation = np.asarray(inner.mean), np.asarray(inner.deviation)
        statistics, inner = {"mean": mean, "deviation": deviation}, inner.inner
    layers = _layers(inner)
    kernel, bias = layers[-1]
    layers[-1] = (kernel[:, : spec.action_size], bias[: spec.action_size])  # of a Gaussian: its mean
    kernels, biases = zip(*layers, strict=True)
    policies = [
        TrainedPolicy(kernels, biases, provenance, agent.name, task, squash, **statistics)
        for squash in SQUASHES
    ]
    observations = np.random.default_rng(0).normal(size=(PROBES, spec.observation_size))
    if statistics:
        observations = statistics["mean"] + statistics["deviation"] * observations
    actions = greedy_of(agent, params, len(seeds), index)(observations.astype(np.float32))
    differences = [float(np.abs(policy(observations) - actions).max()) for policy in policies]
    best = int(np.argmin(differences))
    if not differences[best] < TOLERANCE:
        raise InputError(
            f"the exported actions differ from those of the agent by {differences[best]:.2g}: its policy is "
            "not a perceptron with ReLU, which is all that a file can hold."
        )
    return policies[best]
