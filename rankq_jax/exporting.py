"""Greedy policies of agents as plain weights that numpy evaluates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rankq_jax.errors import InputError
from rankq_jax.lifting import Normalized, jit_act
from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.flows import HEAD
from rankq_jax.specs import TaskSpec, entries, is_image, seen
from rankq_jax.trained_policies import SQUASHES, Encoder, Entry, Pixels, TrainedPolicy
from rankq_jax.types import Agent, Params

Greedy = Callable[[Any], np.ndarray]  # observations `[n, *O]` -> actions `[n, A]`

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


def _pixels(tree: Mapping[str, Any], name: str) -> Pixels:
    """The encoder of an image from its parameters, whose names say the strides.

    Raises:
      InputError: if it is another encoder than the CNN that is known here.
    """
    layers = sorted(
        (key for key in tree if key.startswith("convolution_")), key=lambda key: int(key.split("_")[1])
    )
    if set(tree) != {*layers, "projection"} or set(tree["projection"]) != {"Dense_0", "LayerNorm_0"}:
        raise InputError(
            f"the encoder of {name or 'the observation'} has parameters {', '.join(sorted(tree))}, which an "
            "exported policy cannot hold; use the encoder cnn."
        )
    dense, norm = tree["projection"]["Dense_0"], tree["projection"]["LayerNorm_0"]
    return Pixels(
        kernels=tuple(tree[key]["kernel"] for key in layers),
        biases=tuple(tree[key]["bias"] for key in layers),
        strides=tuple(int(key.split("_")[3]) for key in layers),
        projection=dense["kernel"],
        projection_bias=dense["bias"],
        scale=norm["scale"],
        offset=norm["bias"],
    )


def _encoder(params: Mapping[str, Any], observation: Any) -> Encoder:
    """What looks at an observation, from its parameters."""
    tree, found = params.get("params", {}), []
    for name, leaf in entries(observation).items():
        own = tree.get(f"encoders_{name}", {}) if name else tree
        dtype = "float32" if np.issubdtype(leaf.dtype, np.floating) else str(leaf.dtype)
        found.append(Entry(name, leaf.shape, dtype, _pixels(own, name) if own else None))
    return Encoder(tuple(found))


def _statistics(normalized: Normalized, encoder: Encoder | None) -> dict[str, np.ndarray | None]:
    """`mean` and `deviation` of the features, those of vectors in their places; None without any."""
    if encoder is None:
        return {"mean": normalized.mean, "deviation": normalized.deviation}
    found = dict[str, np.ndarray | None]()
    for field, nothing in (("mean", 0.0), ("deviation", 1.0)):
        known = entries(getattr(normalized, field))
        parts = [
            np.ravel(known[entry.name])
            if entry.name in known
            else np.full(entry.features, nothing, np.float32)
            for entry in encoder.entries
        ]
        found[field] = np.concatenate(parts).astype(np.float32) if known else None
    return found


def _probes(observation: Any, normalized: Normalized | None) -> Any:
    """`[PROBES, *O]`: random observations, around the statistics where there are some."""
    random = np.random.default_rng(0)

    def drawn(spec: Any, mean: Any, deviation: Any) -> np.ndarray:
        if np.issubdtype(spec.dtype, np.integer):
            info = np.iinfo(spec.dtype)
            if not is_image(spec):  # features of the largest numbers would saturate every squashing
                return random.integers(0, min(10, info.max), (PROBES, *spec.shape), spec.dtype)
            return random.integers(info.min, info.max, (PROBES, *spec.shape), spec.dtype, endpoint=True)
        values = random.normal(size=(PROBES, *spec.shape))
        return (values if mean is None else mean + deviation * values).astype(np.float32)

    nothing = jax.tree.map(lambda spec: None, observation)
    mean, deviation = (nothing, nothing) if normalized is None else (normalized.mean, normalized.deviation)
    return jax.tree.map(drawn, observation, mean, deviation)


def index_of(seed: int | None, seeds: Sequence[int]) -> int:
    """The index of a seed among those of a run; of None it is 0.

    Raises:
      InputError: if the run has no such seed.
    """
    if seed is not None and seed not in seeds:
        raise InputError(f"seed={seed}: the run has the seeds {', '.join(map(str, seeds))}; choose one.")
    return 0 if seed is None else list(seeds).index(seed)


def integrates(params: Params) -> bool:
    """Whether parameters are those of a flow policy, which numpy does not act with."""
    inner = params.inner if isinstance(params, Normalized) else params
    return isinstance(inner, Mapping) and HEAD in inner


def by_name(params: Params) -> dict[str, Any]:
    """The arrays of parameters by their names, the parts of a name with slashes between."""
    return {
        "/".join(str(getattr(part, "key", getattr(part, "name", part))) for part in path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }


def fitted(example: Params, found: Mapping[str, np.ndarray]) -> Params:
    """Parameters with the structure of `example` from arrays by name.

    Raises:
      ValueError: if a parameter is missing, one too many, or has another shape; names it.
    """
    wanted = by_name(example)
    if wrong := sorted(set(wanted) ^ set(found)):
        here = "only the networks here have" if wrong[0] in wanted else "only the file has"
        raise ValueError(f"{here} a parameter {wrong[0]}")
    for name, leaf in wanted.items():
        if (theirs := found[name].shape) != leaf.shape:
            raise ValueError(
                f"the parameter {name} has the shape {list(theirs)} in the file and {list(leaf.shape)} here"
            )
    return jax.tree.unflatten(jax.tree.structure(example), [found[name] for name in wanted])


def greedy_of(agent: Agent, params: Params, seeds: int, index: int) -> Greedy:
    """The greedy actions of one seed, as the agent of all seeds computes them.

    Args:
      agent: lifted over seeds.
      params: what acting needs of its state, leaves `[S, ...]`.
      seeds: S.
      index: of the seed, from 0.
    """
    keys = jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32))

    def greedy(observation: Any) -> np.ndarray:
        repeated = jax.tree.map(lambda x: np.broadcast_to(x, (seeds, *x.shape)), seen(observation))
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
      agent: lifted over seeds, with a policy that is a perceptron with ReLU, which may see its observations
        through the encoder `cnn`.
      params: what acting needs of its state, leaves `[S, ...]`.
      seeds: of the run.
      seed: one of them; None takes the first.
      spec: sizes of an observation and an action.
      task: name of the task, which the file keeps.
      provenance: how the policy was trained, which the file keeps.

    Raises:
      InputError: if there is no such seed, the network is a flow policy or no perceptron, by itself or behind
        the encoder `cnn`, or no squashing gives the agent's actions.
    """
    index = index_of(seed, seeds)
    inner, normalized, encoder = jax.tree.map(lambda leaf: np.asarray(leaf)[index], params), None, None
    if isinstance(inner, Normalized):
        normalized, inner = inner, inner.inner
    if integrates(inner):
        raise InputError(
            f"the policy of {agent.name} integrates a velocity (flow matching), which an exported one cannot "
            "hold; act with the run itself, or let `rankq export` write its weights."
        )
    if isinstance(inner, Mapping) and ENCODER in inner:
        encoder = _encoder(inner[ENCODER], spec.observation)
        inner = {name: part for name, part in inner.items() if name != ENCODER}
    layers = _layers(inner)
    kernel, bias = layers[-1]
    layers[-1] = (kernel[:, : spec.action_size], bias[: spec.action_size])  # of a Gaussian: its mean
    kernels, biases = zip(*layers, strict=True)
    if encoder is not None and encoder.features != len(kernels[0]):
        raise InputError("the encoder is none that an exported policy can hold; use the encoder cnn.")
    statistics = {} if normalized is None else _statistics(normalized, encoder)
    policies = [
        TrainedPolicy(kernels, biases, provenance, agent.name, task, squash, **statistics, encoder=encoder)
        for squash in SQUASHES
    ]
    observations = _probes(spec.observation, normalized)
    actions = greedy_of(agent, params, len(seeds), index)(observations)
    differences = [float(np.abs(policy(observations) - actions).max()) for policy in policies]
    best = int(np.argmin(differences))
    if not differences[best] < TOLERANCE:
        raise InputError(
            f"the exported actions differ from those of the agent by {differences[best]:.2g}: its policy is "
            "no perceptron with ReLU, by itself or behind the encoder cnn, which is all that a file can hold."
        )
    return policies[best]
