"""The tabletop behind `BatchEnv`: a step is a chunk of control steps, and no success ends an episode."""

import functools
from typing import Any

import jax
import numpy as np

from rankq_jax.environments import BatchEnv, EnvState, Snapshot, Step
from rankq_jax.envs.batch import bounded
from rankq_jax.envs.tabletop import episode, instructions, paint
from rankq_jax.envs.tabletop.control import ACTION
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.proprioception import PROPRIO, STATE, full_state, proprio
from rankq_jax.envs.tabletop.world import World
from rankq_jax.specs import TaskSpec, unit_box, vector

PICTURE = (192, 256)  # pixels of a video: height and width
REWARDS = (0.0, 1.0)  # raw, of a failing and of a successful step


def observation_spec(options: Options) -> dict[str, jax.ShapeDtypeStruct]:
    """What an observation is made of."""
    found = {
        "instruction": vector(instructions.LENGTH, np.int32),
        "proprio": vector(PROPRIO, np.float32),
    }
    if options.image is None:
        return {**found, "state": vector(STATE, np.float32)}
    return {**found, "image": jax.ShapeDtypeStruct((*options.image, 3), np.dtype(np.uint8))}


class Tables:
    """n environments: the functions of a `BatchEnv` over a shared world, and single control steps.

    They hold no state between calls: what they leave in `world` is written over by the next one.
    """

    def __init__(self, options: Options, rows: int, threads: int) -> None:
        self.options, self.rows = options, rows
        self.world = World(options, rows, threads)
        self.physics = self.world.physics
        self.spec = TaskSpec(observation_spec(options), unit_box(options.chunk * ACTION), options.horizon)
        self.palette = paint.Palette(self.world.model, options.world)
        self._tokens = instructions.tokens(options.setting)

    def observe(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """What the live rows `ids`, in increasing order, see: `[m, ...]`."""
        world, qpos = self.world, self.physics.qpos[ids]
        userdata = world.userdata[ids]
        phrase, source = episode.whole(userdata, "phrase"), episode.whole(userdata, "source")
        found = {"instruction": self._tokens[source, phrase], "proprio": proprio(qpos)}
        size = self.options.image
        if size is None:
            return {**found, "state": full_state(qpos, world.poses[ids])}
        return {**found, "image": paint.images(self.palette, self.physics, userdata, size, ids)}

    def _updated(self, observation: Any, ids: np.ndarray) -> Any:
        """`[n, *O]`: the observations with those of the live rows `ids`."""
        seen = self.observe(ids)
        if len(ids) == self.rows:
            return seen
        return {name: _replaced(observation[name], ids, value) for name, value in seen.items()}

    def fresh(self, state: EnvState, ids: np.ndarray) -> EnvState:
        """The rows `ids` at the start of their next episode."""
        self.physics.rows[:] = state.simulator
        self.world.begin(ids, state.stream, state.episode)
        step, number = state.step.copy(), state.episode.copy()
        step[ids] = 0
        number[ids] += 1
        observation = self._updated(state.observation, ids)
        return state._replace(
            simulator=self.physics.rows.copy(), step=step, episode=number, observation=observation
        )

    def reset(self, stream: np.ndarray) -> EnvState:
        """See `BatchEnv`."""
        if stream.shape != (self.rows, 2):
            raise ValueError(f"{self.rows} rows need streams of shape {(self.rows, 2)}, not {stream.shape}")
        blank = EnvState(
            simulator=np.tile(self.physics.initial, (self.rows, 1)),
            step=np.zeros(self.rows, np.int32),
            stream=np.asarray(stream, np.uint64),
            episode=np.zeros(self.rows, np.int64),
            observation=self.spec.empty(self.rows),
        )
        return self.fresh(blank, np.arange(self.rows))

    def step(self, state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        """See `BatchEnv`."""
        ids = np.flatnonzero(active)
        self.physics.rows[:] = state.simulator
        chunk = bounded(np.asarray(action, np.float64), 1.0).reshape(self.rows, -1, ACTION)
        moving = None if len(ids) == self.rows else ids
        success, lifted = np.zeros((2, self.rows), bool)
        finished = np.zeros(self.rows)
        for k in range(self.options.chunk):
            success, held = self.world.control(chunk[:, k], moving)
            lifted = lifted | held
            finished = np.where(success & (finished == 0.0), (k + 1) / self.options.chunk, finished)
        elapsed = state.step + active
        observation = self._updated(state.observation, ids)
        truncated = elapsed >= self.options.horizon
        moved = state._replace(simulator=self.physics.rows.copy(), step=elapsed, observation=observation)
        ended = np.flatnonzero(truncated & active)
        if len(ended):
            moved = self.fresh(moved, ended)
        reward = np.where(success, REWARDS[1], REWARDS[0])
        info = {"lifted": lifted, "finished": finished}
        return moved, Step(observation, reward, np.zeros(self.rows, bool), truncated, success, info)

    def place(self, state: EnvState, ids: np.ndarray, at: Snapshot) -> EnvState:
        """See `BatchEnv`."""
        physics = self.physics
        if at.goal.shape[1] != episode.SIZE:
            need = (len(ids), episode.SIZE)
            raise ValueError(f"goals have shape {at.goal.shape}, {need} is needed; they are of another task")
        physics.rows[:] = state.simulator
        physics.rows[ids] = physics.initial
        physics.qpos[ids], physics.qvel[ids] = at.qpos, at.qvel
        physics.rows[ids, physics.columns["qacc_warmstart"]] = at.qacc_warmstart
        self.world.userdata[ids] = at.goal
        self.world.place_fixtures(ids)
        step = state.step.copy()
        step[ids] = at.step
        observation = self._updated(state.observation, np.sort(ids))
        return state._replace(simulator=physics.rows.copy(), step=step, observation=observation)

    def snapshot(self, state: EnvState) -> Snapshot:
        """See `BatchEnv`. The goal is what an episode keeps besides the state of the physics."""
        self.physics.rows[:] = state.simulator
        names = ("qpos", "qvel", "qacc_warmstart")
        positions, velocities, warm = (
            state.simulator[:, self.physics.columns[name]].copy() for name in names
        )
        return Snapshot(positions, velocities, warm, self.world.userdata.copy(), state.step.copy())


def _picture(own: Tables, state: EnvState, row: int) -> np.ndarray:
    """What the camera of a row sees, larger than policies do; see `BatchEnv.render`."""
    ids = np.array([row])
    own.physics.rows[:] = state.simulator
    own.world.place_fixtures(ids)
    own.physics.forward(ids)
    picture: np.ndarray = paint.images(own.palette, own.physics, own.world.userdata[ids], PICTURE, ids)[0]
    return picture


def _replaced(values: np.ndarray, ids: np.ndarray, new: np.ndarray) -> np.ndarray:
    found = values.copy()
    found[ids] = new
    return found


def tabletop_env(options: Options, rows: int, threads: int) -> BatchEnv:
    """n tables with one thread pool. Results depend neither on threads nor on what other rows do.

    An action is a chunk of control steps of seven numbers, by default of four. The raw reward is 1 where the
    thing lies on the other one at the end of the chunk. Only the time limit ends an episode. The further
    arrays of a step are `lifted`, whether the thing was held up after any control step, and `finished`, the
    share of the chunk after which it lay there first, or 0.

    Args:
      options: of the world.
      rows: n.
      threads: size of the pool; 0 uses every core.

    Raises:
      ValueError: from `reset`, if its streams do not have the shape `[rows, 2]`.
    """
    own = Tables(options, rows, threads)
    return BatchEnv(
        reset=own.reset,
        step=own.step,
        place=own.place,
        snapshot=own.snapshot,
        render=functools.partial(_picture, own),
        rows=rows,
        spec=own.spec,
        info={"lifted": (), "finished": ()},
    )
