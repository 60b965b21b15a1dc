"""The rounds of OAP: propose, ask, learn, label (Alg. 1)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.bounds import UnitInterval, Whole, checked
from rankq_jax.phases import Relabeler
from rankq_jax.preferences.oracle import Oracle
from rankq_jax.preferences.queries import most_divergent
from rankq_jax.preferences.ranker import HELD_OUT, Answers, Ranker
from rankq_jax.types import PREFERRED_ACTION, Key, Params, Transition

CHUNK = 4096  # rows of the dataset that go through a network at once


class Preferences(NamedTuple):
    """What is known about a dataset of N rows, for each of S seeds.

    Attributes:
      asked: `[S, N]` bool.
      recorded_won: `[S, N]` bool, the answer, where asked.
      proposed: `[S, N, *A]`, the policy's action when it was asked.
      preferred: `[S, N, *A]`, what the policy is held to.
      held_out: `[S, N]` bool, rows whose answers the ranking function is judged by and not trained on.
      ranker: parameters of the ranking function, leaves `[S, ...]`; empty without one.
    """

    asked: np.ndarray
    recorded_won: np.ndarray
    proposed: np.ndarray
    preferred: np.ndarray
    held_out: np.ndarray
    ranker: Any


def in_chunks(function: Callable[..., Any], rows: int, *arrays: Any) -> np.ndarray:
    """`function` of at most `CHUNK` rows at a time, always of one shape, joined along the rows.

    Args:
      function: of slices `[CHUNK, ...]` of the arrays, and of the number of the slice.
      rows: N, the length of every array.
      *arrays: `[N, ...]`, or pytrees of such.
    """
    size = min(CHUNK, rows)
    parts = []
    for start in range(0, rows, size):
        index = np.minimum(np.arange(start, start + size), rows - 1)
        part = np.asarray(function(*(rows_of(array, index) for array in arrays), start // size))
        parts.append(part[: rows - start])
    return np.concatenate(parts)


def rows_of(arrays: Any, index: np.ndarray) -> Any:
    """Rows of a pytree of arrays `[N, ...]`."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], arrays)


def proposals(mode: Callable[..., jax.Array], params: Params, dataset: Transition, keys: Key) -> np.ndarray:
    """`[S, N, *A]`: what the greedy policy of each seed does in every state of the dataset."""
    seeds = len(keys)

    def of_slice(observation: Any, number: int) -> np.ndarray:
        shared = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (seeds, *leaf.shape)), observation)
        return np.asarray(mode(params, shared, keys, np.int32(number))).swapaxes(0, 1)

    return in_chunks(of_slice, len(dataset.reward), dataset.observation).swapaxes(0, 1)


@checked()
def labeler(
    oracle: Oracle,
    ranker: Ranker | None,
    *,
    questions: Whole,
    rounds: Sequence[int],
    flipped: UnitInterval = 0.0,
) -> Relabeler:
    """Asks the expert about the most divergent rows, learns from the answers, labels all rows.

    Asked rows keep the expert's answer, and where the policy had won, the action that it had proposed then. A
    row asked again keeps its last answer. The others get the ranker's answer about the present policy;
    without a ranker they keep the recorded action.

    Args:
      oracle: the expert.
      ranker: learns from the answers; None: does not.
      questions: for each round and seed; 0: every row, every time.
      rounds: after which of the phase's rounds.
      flipped: share of the answers that are turned round, in [0, 1].

    Raises:
      ValueError: if a value is out of bounds.
    """

    def init(keys: Key, dataset: Transition) -> Preferences:
        rows = np.asarray(dataset.action)
        shape = (len(keys), len(rows))
        params: Any = {}
        k_held_out, k_ranker = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        held_out = jax.vmap(lambda key: jax.random.uniform(key, (len(rows),)) < HELD_OUT)(k_held_out)
        if ranker is not None:
            first = jax.tree.map(lambda leaf: leaf[:1], (dataset.observation, dataset.action))
            example = jax.tree.map(jnp.asarray, first)
            params = jax.vmap(lambda key: ranker.init(key, *example))(k_ranker)
        copies = np.broadcast_to(rows, (len(keys), *rows.shape))
        return Preferences(
            np.zeros(shape, bool),
            np.zeros(shape, bool),
            copies.copy(),
            copies.copy(),
            np.asarray(held_out),
            params,
        )

    def of_seed(
        known: Preferences, now: np.ndarray, dataset: Transition, key: Key, capacity: int
    ) -> tuple[Preferences, dict[str, float]]:
        """One seed's round; leaves without `[S]`."""
        k_flip, k_fit = jax.random.split(key)
        observation, action = dataset.observation, np.asarray(dataset.action)
        chosen = most_divergent(action, now, known.asked, questions or len(action))
        pair = (action[chosen], now[chosen])
        answer = np.asarray(
            in_chunks(lambda *x: oracle(*x[:-1]), len(chosen), rows_of(observation, chosen), *pair)
        )
        answer = answer ^ np.asarray(jax.random.uniform(k_flip, (len(chosen),)) < flipped)
        asked, won, proposed = known.asked.copy(), known.recorded_won.copy(), known.proposed.copy()
        asked[chosen], won[chosen], proposed[chosen] = True, answer, now[chosen]
        metrics = {"queries": float(asked.sum()), "recorded_won": float(answer.mean())}

        recorded_better, params = np.ones(len(action), bool), known.ranker
        if ranker is not None:
            held_out = known.held_out[asked]
            answers = Answers(
                rows_of(observation, asked), action[asked], proposed[asked], won[asked], held_out
            )
            fit = ranker.fit(params, answers, max(capacity, int(asked.sum())), k_fit)
            params = fit.params
            guess = lambda o, a, b, _: ranker.prefers_first(params, o, a, b)  # noqa: E731
            recorded_better = in_chunks(guess, len(action), observation, action, now)
            metrics["ranker/epochs"] = float(fit.epochs)
            metrics["ranker/held_out_accuracy"] = fit.held_out_accuracy
            metrics["ranker/recorded_won"] = float(recorded_better.mean())
        keep = np.where(asked, won, recorded_better)
        rival = np.where(_column(asked, now), proposed, now)
        preferred = np.where(_column(keep, now), action, rival)
        return Preferences(asked, won, proposed, preferred, known.held_out, params), metrics

    def label(
        known: Preferences, mode: Callable[..., jax.Array], params: Params, dataset: Transition, keys: Key
    ) -> tuple[Preferences, dict[str, np.ndarray]]:
        now = proposals(mode, params, dataset, keys)
        capacity = min(questions * len(rounds), len(dataset.reward))
        results = [
            of_seed(jax.tree.map(lambda x, s=s: x[s], known), now[s], dataset, keys[s], capacity)
            for s in range(len(keys))
        ]
        stacked = jax.tree.map(lambda *x: np.stack([np.asarray(v) for v in x]), *(r[0] for r in results))
        metrics = {f"preferences/{k}": np.array([r[1][k] for r in results]) for k in results[0][1]}
        return stacked, metrics

    return Relabeler(init, label, lambda known: {PREFERRED_ACTION: known.preferred}, tuple(rounds))


def _column(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return mask.reshape(len(mask), *(1,) * (like.ndim - 1))
