"""RankNet: learning to answer as the expert did."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rankq_jax.bounds import Count, Positive, checked
from rankq_jax.losses import ranknet_cross_entropy
from rankq_jax.networks.scorer import Scorer
from rankq_jax.types import Key, Params

HELD_OUT = 0.1  # share of the rows of a dataset whose answers never train a ranker, but stop its training


class Answers(NamedTuple):
    """Questions and their answers.

    Attributes:
      observation: `[M, *O]`.
      first: `[M, A]` recorded action.
      second: `[M, A]` what the policy proposed when it was asked.
      first_won: `[M]` bool.
      held_out: `[M]` bool, rows that the ranker is judged by. The same ones in every round: a ranker that
        goes on from the round before must not be judged by what it was trained on then.
    """

    observation: Any
    first: np.ndarray
    second: np.ndarray
    first_won: np.ndarray
    held_out: np.ndarray


class Fit(NamedTuple):
    """How well a ranker learned: loss and share of right answers, on answers that it did not train on."""

    params: Params
    epochs: int
    held_out_loss: float
    held_out_accuracy: float


class Ranker(NamedTuple):
    """A ranking function to be learned.

    Attributes:
      init: `(key, observation [1, *O], action [1, A]) -> params`.
      fit: `(params, Answers, capacity, key) -> Fit`. `capacity` is a bound on the answers of a whole run, so
        that one compiled program serves them all.
      prefers_first: `(params, observation [B, *O], first [B, A], second [B, A]) -> [B]` bool.
    """

    init: Callable[..., Params]
    fit: Callable[..., Fit]
    prefers_first: Callable[..., jax.Array]


def _difference(scorer: Scorer, params: Params, rows: Answers, key: Key | None) -> jax.Array:
    """`[B]`: by how much the first action is scored higher."""
    # One mask for both actions: the difference is that of one network.
    first = scorer.apply(params, rows.observation, rows.first, key)
    return first - scorer.apply(params, rows.observation, rows.second, key)


def _loss(scorer: Scorer, params: Params, rows: Answers, counted: jax.Array, key: Key | None) -> jax.Array:
    """The mean cross entropy of the rows where `counted` is 1."""
    label = jnp.asarray(rows.first_won, jnp.float32)
    each = ranknet_cross_entropy(_difference(scorer, params, rows, key), label)
    return jnp.sum(each * counted) / jnp.maximum(jnp.sum(counted), 1.0)


def _epoch(scorer: Scorer, optimizer: optax.GradientTransformation, batch_size: int) -> Callable[..., Any]:
    """`(params, opt_state, rows, order, count, key) -> (params, opt_state)`: the first `count` of `order`."""

    @jax.jit
    def epoch(params, opt_state, rows, order, count, key):  # type: ignore[no-untyped-def]
        def step(i, carry):  # type: ignore[no-untyped-def]
            params, opt_state = carry
            place = i * batch_size + jnp.arange(batch_size)
            index = order[jnp.minimum(place, order.shape[0] - 1)]
            batch = jax.tree.map(lambda x: x[index], rows)
            counted = (place < count).astype(jnp.float32)
            own = jax.random.fold_in(key, i)
            gradient = jax.grad(functools.partial(_loss, scorer))(params, batch, counted, own)
            updates, opt_state = optimizer.update(gradient, opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        return jax.lax.fori_loop(0, -(-count // batch_size), step, (params, opt_state))

    return epoch


def _judge(scorer: Scorer) -> Callable[..., Any]:
    """`(params, rows, counted) -> (loss, share of right answers)` of the rows where `counted` is 1."""

    @jax.jit
    def judge(params, rows, counted):  # type: ignore[no-untyped-def]
        right = (_difference(scorer, params, rows, None) >= 0.0) == rows.first_won
        share = jnp.sum(right * counted) / jnp.maximum(jnp.sum(counted), 1)
        return _loss(scorer, params, rows, counted, None), share

    return judge


@checked()
def ranker(
    scorer: Scorer, rate: Positive = 1e-3, batch_size: Count = 256, epochs: Count = 100, patience: Count = 5
) -> Ranker:
    """Pairwise learning to rank (sec. 3.2 of OAP).

    The paper trains for 100 epochs in its table and until convergence in its algorithm; here training also
    stops when the loss on the held-out answers has not improved for `patience` epochs, and the best
    parameters are kept. Where no answer is held out, or all are, it trains on all and is judged by all.
    Optimizer, rate and batch are not given there: Adam as the arguments say. It goes on from the parameters
    of the round before.

    Args:
      scorer: the network.
      rate: of Adam.
      batch_size: answers per step.
      epochs: at most.
      patience: epochs without an improvement.

    Raises:
      ValueError: if a value is out of bounds.
    """
    optimizer = optax.adam(rate)
    epoch, judge = _epoch(scorer, optimizer, batch_size), _judge(scorer)

    def fit(params: Params, answers: Answers, capacity: int, key: Key) -> Fit:
        total, held = len(answers.first_won), int(np.sum(answers.held_out))
        held = held if held < total else 0
        judges_first = np.argsort(~answers.held_out, kind="stable")
        index = np.concatenate([judges_first, np.zeros(capacity - total, judges_first.dtype)])
        rows = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[index]), answers)
        place = np.arange(capacity)
        judged = jnp.asarray(place < held if held else place < total, jnp.float32)
        opt_state = optimizer.init(params)
        best, waited, done = Fit(params, 0, *map(float, judge(params, rows, judged))), 0, 0
        while done < epochs and waited < patience:
            k_order, k_dropout = jax.random.split(jax.random.fold_in(key, done))
            trained = held + np.asarray(jax.random.permutation(k_order, total - held))
            order = jnp.asarray(np.concatenate([trained, np.zeros(capacity - len(trained), trained.dtype)]))
            params, opt_state = epoch(params, opt_state, rows, order, jnp.int32(len(trained)), k_dropout)
            done += 1
            found = Fit(params, done, *map(float, judge(params, rows, judged)))
            waited = 0 if found.held_out_loss < best.held_out_loss else waited + 1
            best = found if waited == 0 else best
        return best._replace(epochs=done)

    def prefers_first(
        params: Params, observation: jax.Array, first: jax.Array, second: jax.Array
    ) -> jax.Array:
        return scorer.apply(params, observation, first) >= scorer.apply(params, observation, second)

    return Ranker(scorer.init, fit, jax.jit(prefers_first))
