"""Small environments of gymnasium that tests act in; processes import this file, and no JAX with it."""

import gymnasium
import numpy as np
from gymnasium import spaces


class Point(gymnasium.Env):
    """A point on a line that is pushed; it is at its goal beyond 1.

    Its start depends on the seed of its reset, as gymnasium asks.
    """

    observation_space: spaces.Space = spaces.Box(-10.0, 10.0, (2,), np.float64)
    action_space: spaces.Space = spaces.Box(np.float32([-0.5, 0.0]), np.float32([1.5, 2.0]))

    def __init__(self, steps=8):
        self.spec = gymnasium.envs.registration.EnvSpec("Point-v0", max_episode_steps=steps)
        self._steps = steps
        self.at, self.time, self.closed = 0.0, 0, False

    def see(self):
        return np.array([self.at, float(self.time)])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.time = self.np_random.uniform(-1, 0), 0
        return self.see(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        assert self.time < self._steps, "stepped on after its end"
        self.at, self.time = self.at + 0.1 * float(action[0]) + 0.05 * float(action[1]), self.time + 1
        reached = self.at > 1.0
        return self.see(), -abs(self.at), reached, self.time >= self._steps, {"is_success": reached}


class Seeing(Point):
    """As above, seen as a number, and as an image of 16 x 16 pixels whose bright column is the place."""

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (16, 16, 3), np.uint8),
            "arm": spaces.Dict({"at": spaces.Box(-10.0, 10.0, (1,), np.float32)}),
        }
    )

    def image(self):
        image = np.zeros((16, 16, 3), np.uint8)
        image[:, int(np.clip(8 + 4 * self.at, 0, 15))] = [255, self.time, 7]
        return image

    def see(self):
        return {"image": self.image(), "arm": {"at": np.array([self.at], np.float32)}}


class Images(Seeing):
    """As above, seen as an image alone."""

    observation_space = Seeing.observation_space["image"]

    def see(self):
        return self.image()


class Carried(Point):
    """Breaks the contract: its start depends on how the episode before it ended."""

    def reset(self, *, seed=None, options=None):
        before = self.at
        super().reset(seed=seed)
        self.at += 0.01 * before
        return self.see(), {}
