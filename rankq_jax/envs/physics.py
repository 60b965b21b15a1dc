"""The only file that names MuJoCo's batched stepping."""

import mujoco
import numpy as np
from mujoco.batch import Batch


class Physics:
    """n simulations of one model on a thread pool, bit-identical to single steps at any thread count.

    A row is a whole integration state: positions, velocities, controls and the solver's warm start.

    Attributes:
      rows: `[n, nstate]` float64, the live states: written to before a step, read after it.
      qpos: `[n, nq]` live view of the positions.
      qvel: `[n, nv]` live view of the velocities.
    """

    def __init__(self, model: mujoco.MjModel, rows: int, threads: int) -> None:
        """Allocates the simulations.

        Args:
          model: the MuJoCo model.
          rows: n.
          threads: size of the pool; 0 uses every core.
        """
        self._batch = Batch(model, rows, threads)
        self.rows = self._batch.state
        self.qpos: np.ndarray = self._batch.bind("qpos")
        self.qvel: np.ndarray = self._batch.bind("qvel")
        self._control: np.ndarray = self._batch.bind("ctrl")
        self.initial = self.rows[0].copy()

    def step(self, control: np.ndarray, substeps: int, active: np.ndarray) -> None:
        """Advances the active rows by `substeps` physics steps with `control` `[n, nu]` held.

        Raises:
          mujoco.batch.SimulationError: if MuJoCo raises in some row; that row keeps its state.
        """
        self._control[active] = control[active]
        if active.all():
            self._batch.step(nstep=substeps)
        else:
            self._batch.step(ids=np.flatnonzero(active), nstep=substeps)
