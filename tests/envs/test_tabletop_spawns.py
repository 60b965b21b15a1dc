"""Where things of the tabletop lie when an episode begins."""

import math

import numpy as np
import pytest
from scipy import stats

from rankq_jax.envs.tabletop import spawns
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS


def drawn(spawns_name, episodes=200):
    """`[episodes, 2, 7]`: poses of a carrot and a plate, from one generator."""
    options, random = Options(setting="carrot-on-plate", spawns=spawns_name), np.random.default_rng(0)
    return np.array([spawns.draw(options, random, 0, 0) for _ in range(episodes)])


def test_the_grid_has_every_pair_of_cells_once():
    options = Options(spawns="grid72", image=None)
    places = [spawns.draw(options, np.random.default_rng(0), row, 0) for row in range(72)]
    pairs = {tuple(np.round(place[:, :2].ravel(), 6)) for place in places}
    assert len(pairs) == 72
    assert {x for pair in pairs for x in pair[::2]} == {0.24, 0.31, 0.38}
    assert {y for pair in pairs for y in pair[1::2]} == {-0.07, 0.0, 0.07}


def test_things_of_the_grid_may_push_each_other_aside():
    tables = Tables(Options(setting="spoon-in-bowl", spawns="grid72", image=None), 3, 1)
    tables.reset(np.array([[0, 0], [0, 1], [0, 2]], np.uint64))  # the third spoon lies across the bowl
    poses, rest = tables.world.poses, [thing.rest for thing in SETTINGS["spoon-in-bowl"].things]
    np.testing.assert_allclose(poses[:, :, :2], spawns.PAIRS[:3], atol=0.01)
    risen = (poses[:, :, 2] - rest).max(axis=1)
    assert (risen[:2] < 1e-3).all() and risen[2] > 0.01  # one lies upon the other's edge


@pytest.mark.parametrize(("name", "half"), [("nominal", (0.09, 0.12)), ("c4", (0.15, 0.15))])
def test_things_lie_apart_and_inside_their_region(name, half):
    places = drawn(name)[:, :, :2]
    middle = np.array([0.31, 0.0] if name == "nominal" else [0.30, 0.0])
    assert (np.abs(places - middle).max(axis=(0, 1)) <= half).all()
    assert (np.abs(places - middle).max(axis=(0, 1)) >= 0.9 * np.array(half)).all()
    # The carrot is 115 mm long, the plate 120 mm wide; 5 mm lie between them.
    assert np.linalg.norm(places[:, 0] - places[:, 1], axis=1).min() >= 0.0575 + 0.06 + 0.005


@pytest.mark.parametrize("name", ["nominal", "c4"])
def test_things_are_turned_any_way_about_the_vertical(name):
    found = drawn(name)
    np.testing.assert_array_equal(found[:, :, 4:6], 0.0)
    yaw = 2.0 * np.arctan2(found[:, :, 6], found[:, :, 3])
    assert yaw.min() >= 0.0 and yaw.max() < 2.0 * math.pi
    for thing in range(2):
        assert stats.kstest(yaw[:, thing], stats.uniform(0.0, 2.0 * math.pi).cdf).pvalue > 0.01
    assert abs(np.corrcoef(yaw.T)[0, 1]) < 0.2  # one does not tell how the other is turned


def share_of_image(places):
    """Where points of the table fall: 640 x 480 pixels, focal length 623.59; the numbers of the camera."""
    right, up, forward = (0.4839, -0.8751, 0.0), (0.6026, 0.3332, 0.7252), (0.6346, 0.3509, -0.6886)
    points = np.append(places, np.zeros((*places.shape[:-1], 1)), axis=-1) - (0.0, -0.16, 0.36)
    across, above, away = (points @ np.array(axis) for axis in (right, up, forward))
    return np.stack([0.5 + 623.59 / 640 * across / away, 0.5 - 623.59 / 480 * above / away], axis=-1)


def test_no_thing_lies_at_the_edge_of_the_image(monkeypatch):
    """5 % of an image are left at each side. Of 30 x 30 cm only the near side comes close to an edge."""
    tolerance = 2e-4  # the numbers of the camera have four digits
    found = share_of_image(drawn("c4")[:, :, :2])
    assert found.min() >= 0.05 and 0.90 < found[:, :, 1].max() <= 0.95 + tolerance
    monkeypatch.setattr(spawns, "ANYWHERE", ((0.10, 1.00), (-0.70, 0.70)))
    found = share_of_image(drawn("c4")[:, :, :2]).reshape(-1, 2)
    assert found.min() >= 0.05 - tolerance and found.max() <= 0.95 + tolerance
    # Where it may lie farther away, it comes close to all of them.
    assert (found.min(axis=0) < 0.10).all() and (found.max(axis=0) > 0.90).all()
