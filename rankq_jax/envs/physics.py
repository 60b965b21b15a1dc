"""The only file that names MuJoCo's batched stepping."""

import os
from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch

_COMPONENTS = {
    "qpos": mujoco.mjtState.mjSTATE_QPOS,
    "qvel": mujoco.mjtState.mjSTATE_QVEL,
    "qacc_warmstart": mujoco.mjtState.mjSTATE_WARMSTART,
}


# Rows x substeps x the square of the degrees of freedom for which a thread is worth waking: 16 points, whose
# step takes 70 microseconds. A substep of one ant is three times as much.
SHARE = 64


def useful_threads(model: mujoco.MjModel, rows: int, substeps: int, threads: int) -> int:
    """`threads` (0: every core), or fewer where not all of them would have enough to do."""
    enough = max(1, rows * substeps * model.nv**2 // SHARE)
    return enough if enough < (threads or os.cpu_count() or 1) else threads


def column_slices(model: mujoco.MjModel) -> dict[str, slice]:
    """Which columns of an integration state hold `qpos`, `qvel` and `qacc_warmstart`."""
    slices = {}
    for name, component in _COMPONENTS.items():
        # Components lie in the order of their bits.
        before = int(mujoco.mjtState.mjSTATE_INTEGRATION) & (int(component) - 1)
        start = mujoco.mj_stateSize(model, before)
        slices[name] = slice(start, start + mujoco.mj_stateSize(model, int(component)))
    return slices


class Physics:
    """n simulations of one model on a thread pool, bit-identical to single steps at any thread count.

    A row is a whole integration state: positions, velocities, controls and the solver's warm start.

    Attributes:
      rows: `[n, nstate]` float64, the live states: written to before a step, read after it.
      qpos: `[n, nq]` live view of the positions.
      qvel: `[n, nv]` live view of the velocities.
      derived: `[n, ...]` live data fields by name. Those that are no part of `rows` are read-only, and one
        substep behind the state after a step, as with `mj_step`.
      fields: `[n, ...]` live model fields by name, with a value for each row.
      columns: of `rows`, see `column_slices`.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        rows: int,
        threads: int,
        derived: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> None:
        """Allocates the simulations.

        Args:
          model: the MuJoCo model.
          rows: n.
          threads: size of the pool; 0 uses every core.
          derived: names of data fields to copy out after every call, e.g. `site_xpos`.
          fields: names of model fields that each row has for itself, e.g. `body_quat`.
        """
        self._batch = Batch(model, rows, threads)
        self.rows = self._batch.state
        self.qpos: np.ndarray = self._batch.bind("qpos")
        self.qvel: np.ndarray = self._batch.bind("qvel")
        self._control: np.ndarray = self._batch.bind("ctrl")
        self.derived = {name: self._batch.bind(name) for name in derived}
        self.fields = {name: self._batch.expand(name) for name in fields}
        self.columns = column_slices(model)
        self.initial = self.rows[0].copy()

    def step(self, control: np.ndarray, substeps: int, ids: np.ndarray | None) -> None:
        """Advances rows by `substeps` physics steps with their controls held.

        Args:
          control: `[n, nu]`, of which the controls of other rows are not read.
          substeps: physics steps.
          ids: the rows; None for all, which is faster than naming all.

        Raises:
          mujoco.batch.SimulationError: if MuJoCo raises in some row; that row keeps its state.
        """
        rows = slice(None) if ids is None else ids
        self._control[rows] = control[rows]
        self._batch.step(ids=ids, nstep=substeps)

    def forward(self, ids: np.ndarray) -> None:
        """Computes the derived fields of the rows `ids` from their states, as `mj_forward` does.

        Raises:
          ValueError: if a row is named twice.
          mujoco.batch.SimulationError: if MuJoCo raises in some row.
        """
        self._batch.forward(ids=np.sort(ids))  # the only order that it takes

    def cast(
        self, origin: np.ndarray, vectors: np.ndarray, groups: Sequence[bool], ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What rays hit first in the states of m rows.

        Args:
          origin: `[m, 1, 3]` of the rays, in metres.
          vectors: `[m, rays, 3]`, of which the lengths are the units of distances.
          groups: which of the six groups of geoms are seen.
          ids: `[m]` rows in increasing order.

        Returns:
          Distances `[m, rays]`, geoms `[m, rays]` and normals `[m, rays, 3]`; -1, -1 and 0 without a hit.
        """
        seen = np.array(groups, np.uint8)
        distance, geom, normal = self._batch.ray(origin, vectors, seen, ids=ids, normal=True)
        return distance, geom, normal
