"""Environments whose observations are encoded once: what agents see, and what is replayed, is features."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.environments import BatchEnv, EnvState, Snapshot, Step
from rankq_jax.errors import InputError

BLOCK = 16  # rows of a call


class Encoding(NamedTuple):
    """What observations become before an agent sees them.

    Attributes:
      spec: specification of an observation `*O` -> that of its features `*F`, both without a batch axis.
      rows: `observation [n, *O] -> features [n, *F]` in numpy. The features of a row depend neither on the
        other rows nor on its place, bit for bit.
    """

    spec: Callable[[Any], Any]
    rows: Callable[[Any], Any]


def encoding(encode: Callable[[Any, Any], Any], params: Any) -> Encoding:
    """The encoding by a function of parameters that stay as they are.

    It runs in blocks of `BLOCK` rows, because programs for other numbers of rows round differently.

    Args:
      encode: `(params, observation [B, *O]) -> features [B, *F]`, pure.
      params: of the function; their shapes are enough for `Encoding.spec`.

    Raises:
      InputError: from `Encoding.rows`, if half precision does not hold the features.
    """
    step = jax.jit(encode)

    def shapes(rows: int, observation: Any) -> Any:
        lead = lambda leaf: jax.ShapeDtypeStruct((rows, *leaf.shape), leaf.dtype)  # noqa: E731
        return jax.eval_shape(encode, params, jax.tree.map(lead, observation))

    def spec(observation: Any) -> Any:
        found = shapes(1, observation)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), found)

    def rows(observation: Any) -> Any:
        leaf = jax.tree.leaves(observation)[0]
        row = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), observation)
        found = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), shapes(len(leaf), row))
        for start in range(0, len(leaf), BLOCK):
            some = slice(start, start + BLOCK)
            block = step(params, jax.tree.map(lambda leaf, s=some: _filled(leaf[s]), observation))
            for whole, part in zip(jax.tree.leaves(found), jax.tree.leaves(block), strict=True):
                whole[some] = np.asarray(part)[: len(whole[some])]
        _refuse_infinite(found)
        return found

    return Encoding(spec, rows)


def _filled(rows: np.ndarray) -> np.ndarray:
    """`[m, ...] -> [BLOCK, ...]`, filled up with zeros."""
    return np.pad(rows, [(0, BLOCK - len(rows)), *[(0, 0)] * (rows.ndim - 1)])


def _refuse_infinite(features: Any) -> None:
    """Raises InputError for numbers that half precision does not hold."""
    halves = [leaf for leaf in jax.tree.leaves(features) if leaf.dtype == np.float16]
    if not all(np.isfinite(leaf).all() for leaf in halves):
        raise InputError(
            "the features of an observation are beyond 65504 or no numbers, and half precision cannot hold "
            "them; choose other weights, or config.encoder_training=frozen."
        )


class Encoded(NamedTuple):
    """`EnvState.simulator` of an encoded environment: what the environment behind it knows besides.

    Attributes:
      simulator: of the environment behind it.
      observation: `[n, *O]`, before it is encoded; rows that do not move keep theirs.
    """

    simulator: Any
    observation: Any


def _behind(state: EnvState) -> EnvState:
    """The state of the environment behind an encoded one."""
    return state._replace(simulator=state.simulator.simulator, observation=state.simulator.observation)


def _seen(state: EnvState, features: Any) -> EnvState:
    """A state of the environment behind an encoded one as one whose observations are these features."""
    return state._replace(simulator=Encoded(state.simulator, state.observation), observation=features)


def _put(encode: Callable[[Any], Any], features: Any, observation: Any, ids: np.ndarray) -> Any:
    """Features `[n, *F]` with those of the rows `ids` of observations `[n, *O]`."""
    if not len(ids):
        return features
    new = encode(jax.tree.map(lambda leaf: leaf[ids], observation))

    def replaced(old: np.ndarray, some: np.ndarray) -> np.ndarray:
        found = old.copy()
        found[ids] = some
        return found

    return jax.tree.map(replaced, features, new)


def encoded_env(env: BatchEnv, encoding: Encoding) -> BatchEnv:
    """Environments whose observations are features, computed once for each row that has moved.

    States are saved with their features and with the observations behind them, so a state that is set back
    needs nothing to be encoded again.

    Args:
      env: the environments behind them.
      encoding: of their observations.
    """
    encode = encoding.rows
    put = functools.partial(_put, encode)

    def reset(stream: np.ndarray) -> EnvState:
        state = env.reset(stream)
        return _seen(state, encode(state.observation))

    def step(state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        after, made = env.step(_behind(state), action, active)
        following = put(state.observation, made.next_observation, np.flatnonzero(active))
        ended = np.flatnonzero((made.terminated | made.truncated) & active)
        features = put(following, after.observation, ended)
        return _seen(after, features), made._replace(next_observation=following)

    def place(state: EnvState, ids: np.ndarray, at: Snapshot) -> EnvState:
        assert env.place is not None
        moved = env.place(_behind(state), ids, at)
        return _seen(moved, put(state.observation, moved.observation, ids))

    def restart(state: EnvState) -> EnvState:
        assert env.restart is not None
        again = env.restart(_behind(state))
        return _seen(again, encode(again.observation))

    snapshot, render, limit = env.snapshot, env.render, env.limit
    return env._replace(
        reset=reset,
        step=step,
        spec=env.spec._replace(observation=encoding.spec(env.spec.observation)),
        restart=None if env.restart is None else restart,
        place=None if env.place is None else place,
        snapshot=None if snapshot is None else lambda state: snapshot(_behind(state)),
        render=None if render is None else lambda state, row: render(_behind(state), row),
        limit=None if limit is None else lambda steps: encoded_env(limit(steps), encoding),
    )
