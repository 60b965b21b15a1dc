"""Environments of gymnasium as one process steps them. No JAX is imported, so that processes start fast."""

import contextlib
import math
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

# gymnasium lets a program choose what its processes do, and has no public name for what they usually do.
# `tests/envs/test_gymnasium_envs.py` says so when this name goes.
from gymnasium.vector.async_vector_env import _async_worker

from rankq_jax.errors import InputError, one_line

Make = Callable[[], gymnasium.Env]
# What terminals and batch systems send to all processes of a run. The run itself decides what follows.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Row(gymnasium.Wrapper):
    """One environment whose actions begin with a number: 0 leaves it as it is.

    So rows that are not active are not stepped on, in whatever vector environment they are.
    """

    def __init__(self, env: gymnasium.Env, success: str) -> None:
        """Wraps an environment.

        Args:
          env: with actions of a `Box`.
          success: key of its `info` that says whether the task is solved; empty where none does.
        """
        super().__init__(env)
        box: Any = env.action_space
        self._shape, self._dtype, self._success = tuple(box.shape), box.dtype, success
        size = 1 + math.prod(self._shape)
        self.action_space = spaces.Box(-np.inf, np.inf, (size,), np.float64)
        self._observation: Any = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode."""
        self._observation, _ = self.env.reset(seed=seed)
        return self._observation, {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As gymnasium has it; `info` is whether the step has solved the task."""
        if not action[0]:
            return self._observation, 0.0, False, False, {"success": False}
        inner = action[1:].reshape(self._shape).astype(self._dtype)
        self._observation, reward, terminated, truncated, info = self.env.step(inner)
        ended = bool(terminated or truncated)
        return (
            self._observation,
            float(reward),
            bool(terminated),
            bool(truncated),
            {"success": self._succeeded(info, ended)},
        )

    def _succeeded(self, info: Mapping[str, Any], ended: bool) -> bool:
        if not self._success:
            return False
        if ended and self._success not in info:
            known = ", ".join(map(repr, info)) or "nothing"
            raise InputError(
                f"success={self._success!r}: the info of the step that ends an episode has no such key, only "
                f"{known}; choose one of them, or leave success out."
            )
        return bool(info.get(self._success, False))


class Rows(gymnasium.Env):
    """Several environments as one, whose spaces have a leading axis for them. It never ends."""

    def __init__(self, makes: Sequence[Callable[[], Row]], index: int) -> None:
        """Makes the environments.

        Args:
          makes: one function for each.
          index: of this one among those that are stepped together.
        """
        self._rows = SyncVectorEnv(makes, copy=False, autoreset_mode=AutoresetMode.DISABLED)
        self.observation_space = self._rows.observation_space
        self.action_space = self._rows.action_space
        self._index = index

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """All observations, after resets of some rows.

        Args:
          seed: not read.
          options: `rows`, bool, which of them are reset, and `seeds`, both `[w, k]`.
        """
        seeds: list[int | None] = [int(one) for one in options["seeds"][self._index]]
        observation, _ = self._rows.reset(
            seed=seeds, options={"reset_mask": np.array(options["rows"][self._index])}
        )
        return observation, {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What the step of each row returned is in `info`, `[k]`."""
        observation, reward, terminated, truncated, info = self._rows.step(action)
        each = {
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
            "success": info["success"],
        }
        return observation, 0.0, False, False, each

    def picture(self, row: int) -> np.ndarray:
        """What one of the environments draws of itself, `[H, W, 3]` uint8.

        Raises:
          InputError: if it draws no pictures.
        """
        env = self._rows.envs[row]
        try:
            drawn: Any = env.render() if env.render_mode == "rgb_array" else None
        except gymnasium.error.DependencyNotInstalled as error:
            raise InputError(f"render: {one_line(error)}") from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "mujoco":  # which an environment may do without
                raise
            raise InputError(
                f"render: {one_line(error)[:200]}; choose a way to draw without a display, MUJOCO_GL=egl or "
                "MUJOCO_GL=osmesa in front of the command."
            ) from error
        if not (isinstance(drawn, np.ndarray) and drawn.ndim == 3 and drawn.dtype == np.uint8):
            raise InputError(
                f"render_mode={env.render_mode!r}: the environment draws no pictures of uint8; make it with "
                "render_mode='rgb_array', if it has that, or leave the video out."
            )
        return drawn

    def close(self) -> None:
        """Closes the environments."""
        self._rows.close()


def make_rows(make: Make, success: str, count: int, index: int) -> Rows:
    """`Rows` of one process.

    Args:
      make: makes one environment.
      success: see `Row`.
      count: of the environments.
      index: see `Rows`.
    """
    return Rows([lambda: Row(make(), success)] * count, index)


def work(*arguments: Any) -> None:
    """What a process does: as gymnasium has it, with another answer to signals and to the end of the run.

    Ctrl-C reaches all processes of a terminal, and environments must live until the run has saved itself.
    When the run is gone, they end without a word.
    """
    for number in SIGNALS:  # not SIG_IGN, which simulators that an environment starts would inherit
        signal.signal(number, lambda number, frame: None)
    with contextlib.suppress(BrokenPipeError):
        _async_worker(*arguments)
