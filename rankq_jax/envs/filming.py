"""Pictures of what environments do while something else steps them."""

import numpy as np

from rankq_jax.environments import BatchEnv, EnvState, Step


def filmed(env: BatchEnv, frames: list[list[np.ndarray]]) -> BatchEnv:
    """The same environments, whose first rows are drawn before every step that they take.

    Args:
      env: environments with `render`.
      frames: a list for each of those rows, which pictures `[H, W, 3]` uint8 are appended to.

    Raises:
      ValueError: if the environments cannot be drawn.
    """
    if env.render is None:
        raise ValueError("render: the environments cannot be drawn")
    render = env.render

    def step(state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        for row, film in enumerate(frames):
            if active[row]:
                film.append(render(state, row))
        return env.step(state, action, active)

    return env._replace(step=step)
