"""Pictures by ray casting, of models whose geometry is known."""

import mujoco
import numpy as np
import pytest

from rankq_jax.envs import pictures, raycast
from rankq_jax.envs.filming import filmed
from rankq_jax.envs.streams import streams
from rankq_jax.tasks import find

BALL = """
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 1" rgba="1 1 1 1"/>
    <body pos="0 0 1"><geom name="ball" type="sphere" size="0.5" rgba="1 0 0 1"/></body>
    <site name="mark" type="sphere" pos="0 -1 1" size="0.1" rgba="0 0 1 1"/>
  </worldbody>
</mujoco>
"""


@pytest.fixture(scope="module")
def ball():
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def test_a_camera_sees_what_it_looks_at():
    camera = raycast.looking(np.array([1.0, -3.0, 2.0]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(camera.frame.T @ camera.frame, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(camera.frame), 1.0)
    seen = camera.frame.T @ (np.array([0.0, 0.0, 1.0]) - camera.position)
    np.testing.assert_allclose(seen, [0.0, 0.0, -np.sqrt(11.0)], atol=1e-12)
    assert camera.frame[2, 1] > 0  # up is up


def test_rays_meet_a_sphere_the_ground_and_the_sky(ball):
    model, data = ball
    camera = raycast.looking(np.array([0.0, -4.0, 1.0]), np.array([0.0, 0.0, 1.0]), fovy=60.0)
    hits = pictures.cast(model, data, camera, (41, 61))
    geom, distance = hits.geom.reshape(41, 61), hits.distance.reshape(41, 61)
    normal = hits.normal.reshape(41, 61, 3)
    assert geom[20, 30] == 1 and geom[40, 30] == 0 and geom[0, 30] == -1
    np.testing.assert_allclose(distance[20, 30], 3.5)
    np.testing.assert_allclose(normal[20, 30], [0, -1, 0], atol=1e-6)
    # The lowest ray is 60 / 2 degrees below the horizon, less half a pixel.
    slope = np.tan(np.deg2rad(30.0)) * 40 / 41
    np.testing.assert_allclose(distance[40, 30], np.sqrt(1 + slope**-2))
    # The sphere's disc: of the rays through it, sin(angle) <= 0.5 / 4.
    tangent = np.tan(np.arcsin(0.5 / 4))
    pixels = np.tan(np.deg2rad(30.0)) / 41 * 2
    np.testing.assert_allclose((geom == 1).sum(), np.pi * (tangent / pixels) ** 2, rtol=0.1)


def test_colors_light_and_markers(ball):
    model, data = ball
    camera = raycast.looking(np.array([0.0, -4.0, 1.0]), np.array([0.0, 0.0, 1.0]), fovy=60.0)
    bare = pictures.draw(model, data, camera, (41, 61))
    assert bare.shape == (41, 61, 3) and bare.dtype == np.uint8
    red = bare[20, 30]
    assert red[0] > 150 and red[1] == red[2] == 0
    assert bare[0, 30, 2] > bare[0, 30, 0]  # the sky is blue
    assert len(np.unique(bare[36:, :, 0])) > 1  # squares on the ground
    marked = pictures.draw(model, data, camera, (41, 61), pictures.spheres(model, data))
    assert marked[20, 30, 2] > 150 and marked[20, 30, 0] == 0
    behind = pictures.Marker(np.array([0.0, 3.0, 1.0]), 0.3, np.array([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(pictures.draw(model, data, camera, (41, 61), [behind]), bare)


@pytest.mark.parametrize("name", ["pointmaze-umaze", "adroit-relocate", "hopper-medium"])
def test_tasks_are_drawn_and_undisturbed(name):
    env = find(name).environment(2, 1)
    start = env.reset(streams(3, 2))
    frames = [[], []]
    shot = filmed(env, frames)
    state, active = start, np.array([True, True])
    for t in range(4):
        active[1] = t < 2
        state, _ = shot.step(state, np.full((2, env.action_size), 0.7), active)
    assert [len(film) for film in frames] == [4, 2]
    assert {frame.shape for film in frames for frame in film} == {(180, 240, 3)}
    assert any((frame != frames[0][0]).any() for frame in frames[0][1:])
    same, active = start, np.array([True, True])
    for t in range(4):
        active[1] = t < 2
        same, _ = env.step(same, np.full((2, env.action_size), 0.7), active)
    np.testing.assert_array_equal(state.simulator, same.simulator)


def test_environments_without_pictures():
    env = find("pointmaze-umaze").environment(1, 1)._replace(render=None)
    with pytest.raises(ValueError, match="cannot be drawn"):
        filmed(env, [[]])
