"""The same pictures through MuJoCo's renderer, which needs OpenGL: `MUJOCO_GL=egl` or `MUJOCO_GL=osmesa`."""

import copy

import mujoco
import numpy as np

from rankq_jax.envs.raycast import GROUPS
from rankq_jax.envs.tabletop import episode
from rankq_jax.envs.tabletop.paint import Palette


class Renderer:
    """Draws rows one after another. Patterns of tables are left out; shadows are off."""

    def __init__(self, model: mujoco.MjModel, palette: Palette, size: tuple[int, int]) -> None:
        """Opens a context of OpenGL.

        Args:
          model: of the task; it is copied.
          palette: of its colors.
          size: height and width in pixels.
        """
        self._model, self._palette = copy.deepcopy(model), palette
        self._data = mujoco.MjData(self._model)
        self._renderer = mujoco.Renderer(self._model, *size)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = GROUPS

    def close(self) -> None:
        """Gives the context back."""
        self._renderer.close()

    def _scene(self, row: np.ndarray) -> None:
        model, data = self._model, self._data
        mujoco.mj_setState(model, data, row, mujoco.mjtState.mjSTATE_INTEGRATION)
        told = {name: data.userdata[columns] for name, columns in episode.COLUMNS.items()}
        model.cam_pos[0] = told["eye"]
        mujoco.mju_mat2Quat(model.cam_quat[0], told["axes"])
        model.geom_rgba[:, :3] = self._palette.colors(data.userdata[None])[0, :-1]
        model.vis.headlight.ambient[:] = told["ambient"]
        model.light_dir[0], model.light_diffuse[0] = -told["light"], told["brightness"]
        model.light_specular[0] = model.light_ambient[0] = 0.0
        mujoco.mj_forward(model, data)
        self._renderer.update_scene(data, "view", self._option)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """`[m, nstate] -> [m, H, W, 3]` uint8: pictures of integration states."""
        found = []
        for row in rows:
            self._scene(row)
            found.append(self._renderer.render().copy())
        return np.stack(found)

    def geoms(self, rows: np.ndarray) -> np.ndarray:
        """`[m, nstate] -> [m, H, W]` int: which geom is seen in each pixel; -1: none."""
        self._renderer.enable_segmentation_rendering()
        found = []
        for row in rows:
            self._scene(row)
            kind = self._renderer.render()
            geom = kind[:, :, 1] == mujoco.mjtObj.mjOBJ_GEOM
            found.append(np.where(geom, kind[:, :, 0], -1))
        self._renderer.disable_segmentation_rendering()
        return np.stack(found)
