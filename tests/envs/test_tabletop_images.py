"""Pictures of the tabletop: where points fall, what is seen, two ways to draw, what episodes differ in."""

import os
import subprocess
import sys

import numpy as np
import pytest

from rankq_jax.envs import raycast
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import arm, camera, episode, instructions, looks, paint, scenes
from rankq_jax.envs.tabletop.env import Tables, tabletop_env
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.errors import InputError
from rankq_jax.tasks import tabletop
from rankq_jax.testing.comparing import drawn, rolled, same

SIZE = (96, 128)


def userdata(options, rows, seed=0):
    tables = Tables(options, rows, 1)
    tables.reset(streams(seed, rows))
    return tables, tables.world.userdata.copy()


def test_a_point_of_the_table_falls_on_its_pixel():
    point = np.array([0.30, 0.0, 0.0])
    at = raycast.project(point, camera.NOMINAL, SIZE)
    np.testing.assert_allclose(at, [65.2, 54.7], atol=0.5)
    # The ray through the middle of that pixel meets the table near the point.
    ray = raycast.rays(camera.NOMINAL, SIZE)[54 * 128 + 65]
    met = camera.EYE + ray * (camera.EYE[2] / -ray[2])
    np.testing.assert_allclose(met, point, atol=0.004)


def test_the_camera_sees_the_things_where_they_are():
    tables, told = userdata(Options(image=None), 2)
    hits = paint.look(tables.physics, told, SIZE, np.arange(2))
    bodies = tables.world.model.geom_bodyid[hits.geom]
    for row in range(2):
        for thing, name in enumerate(("green_cube", "yellow_cube")):
            rows, columns = np.nonzero((bodies[row] == tables.world.model.body(name).id).reshape(SIZE))
            if len(rows) < 20:  # hidden by the arm
                continue
            middle = np.array([columns.mean(), rows.mean()]) + 0.5
            expected = raycast.project(tables.world.poses[row, thing, :3], camera.NOMINAL, SIZE)
            np.testing.assert_allclose(middle, expected, atol=2.0)


def test_an_image_is_color_times_light():
    options = Options(image=SIZE)
    tables, told = userdata(options, 1)
    image = tables.observe(np.arange(1))["image"][0]
    hits = paint.look(tables.physics, told, SIZE, np.arange(1))
    table = (hits.geom[0] == tables.world.model.geom("table").id).reshape(SIZE)
    # The table's normal points up: ambient light and brightness times the height of the light.
    light = 0.45 + 0.6 * 0.84 / np.sqrt(0.2**2 + 0.5**2 + 0.84**2)
    expected = np.array([0.62, 0.52, 0.42]) * light * 255
    np.testing.assert_allclose(image[table], np.tile(expected, (table.sum(), 1)), atol=1.0)
    assert 0.4 < table.mean() < 0.95


def test_a_hue_shifted_by_a_third_swaps_the_colors():
    turn = paint.hue_turn(np.array([0.0, 1 / 3]))
    np.testing.assert_allclose(turn[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turn[1] @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)


def test_images_do_not_depend_on_threads_and_come_back():
    options = Options(image=(48, 64), randomized=True, spawns="c4", horizon=2, direction="both")
    one, two = tabletop_env(options, 3, 1), tabletop_env(options, 3, 2)
    actions = drawn(one, 3, seed=1)
    final, _ = rolled(one, one.reset(streams(1, 3)), actions)
    other, _ = rolled(two, two.reset(streams(1, 3)), actions)
    same(other, final, "with two threads")
    alone = tabletop_env(options, 1, 1)
    single, _ = rolled(alone, alone.reset(streams(1, 3)[1:2]), actions[:, 1:2])
    np.testing.assert_array_equal(single.observation["image"][0], final.observation["image"][1])
    placed = one.place(one.reset(streams(5, 3)), np.arange(3), two.snapshot(other))
    np.testing.assert_array_equal(placed.observation["image"], final.observation["image"])


def test_a_gap_moves_the_camera_and_the_colors_and_nothing_else():
    near, far = (Tables(Options(gap=gap), 1, 1) for gap in (0.0, 1.0))
    one, other = (tables.reset(streams(3, 1)) for tables in (near, far))
    np.testing.assert_array_equal(near.world.poses, far.world.poses)
    for name in ("instruction", "proprio"):
        np.testing.assert_array_equal(one.observation[name], other.observation[name])
    assert np.abs(one.observation["image"].astype(int) - other.observation["image"]).max() > 50
    moved = episode.part(far.world.userdata, "eye") - episode.part(near.world.userdata, "eye")
    np.testing.assert_allclose(moved, [[0.03, -0.03, 0.02]], atol=1e-12)
    axes = [episode.part(tables.world.userdata, "axes").reshape(3, 3) for tables in (near, far)]
    cosine = (np.trace(axes[1] @ axes[0].T) - 1) / 2
    assert np.degrees(np.arccos(cosine)) == pytest.approx(3.0)
    assert episode.part(far.world.userdata, "hue").tolist() == [-0.1]


def test_randomized_episodes_stay_inside_their_ranges_and_fill_them():
    tables, told = userdata(Options(image=None, randomized=True, spawns="c4"), 40)
    eye = episode.part(told, "eye") - camera.EYE
    ranges = {
        "eye": (eye, 0.05),
        "ambient": (episode.part(told, "ambient") - 0.3, 0.3),
        "brightness": (episode.part(told, "brightness") / 0.6 - 1.0, 0.5),
        "height": (episode.part(told, "height"), 0.01),
        "joints": (tables.physics.qpos[:, :6] - arm.START, 0.1),
    }
    for name, (values, most) in ranges.items():
        assert 0.7 * most < np.abs(values).max() <= most, name
    axes = episode.part(told, "axes").reshape(-1, 3, 3)
    assert np.allclose(axes @ axes.transpose(0, 2, 1), np.eye(3))
    for row in range(40):  # aimed at the same point, 2 degrees about each axis
        towards = camera.look_at() - episode.part(told, "eye")[row]
        cosine = -axes[row, :, 2] @ towards / np.linalg.norm(towards)
        assert np.degrees(np.arccos(cosine)) < 2.0 * np.sqrt(3.0)
    number = episode.whole(told, "scene")
    assert number.min() >= 0 and number.max() <= 99 and len(set(number)) > 20


def test_held_out_scenes_are_never_those_of_training():
    _, told = userdata(tabletop.options_of("cube-stacking", "-randomized-heldout"), 40)
    number = episode.whole(told, "scene")
    assert number.min() >= 100 and number.max() <= 119 and len(set(number)) > 10
    _, plain = userdata(tabletop.options_of("cube-stacking", "-randomized"), 40)
    assert episode.whole(plain, "scene").max() <= 99
    for part in ("eye", "ambient", "brightness", "height"):  # all else is drawn alike
        np.testing.assert_array_equal(episode.part(told, part), episode.part(plain, part))


def test_all_scenes_are_always_the_same_and_keep_clear_of_the_things():
    found = scenes.scenes()
    again = scenes.scenes.__wrapped__()
    for name, values in found._asdict().items():
        np.testing.assert_array_equal(values, getattr(again, name))
        assert len(values) == 100 + 20  # those of training, and those that are held out
    shown = found.clutter[:, :, 0] > -1.0
    assert set(shown.sum(axis=1)) == {0, 1, 2, 3, 4} and not shown[0].any()
    x, y = found.clutter[shown][:, 0], found.clutter[shown][:, 1]
    assert ((np.abs(y) >= 0.15 + 0.1) | (x >= 0.45 + 0.1)).all()
    assert ((x > 0.0) & (x < 0.8) & (np.abs(y) < 0.6)).all()
    assert len(np.unique(found.surfaces.reshape(120, -1), axis=0)) == 120


def test_instructions_say_which_cube_is_moved():
    tables, told = userdata(Options(image=None, direction="both", paraphrased=True), 24)
    seen = tables.observe(np.arange(24))["instruction"]
    source, phrase = episode.whole(told, "source"), episode.whole(told, "phrase")
    assert set(source) == {0, 1} and set(phrase) == {0, 1, 2}
    for row in range(24):
        text = instructions.SENTENCES["cube-stacking"][source[row]][phrase[row]]
        words = [instructions.VOCABULARY[i] for i in seen[row] if i]
        assert (words == text.split() and words.index("green") < words.index("yellow")) or source[row] == 1


def test_words_have_numbers_and_unknown_ones_are_refused():
    assert len(instructions.VOCABULARY) <= 64 and len(set(instructions.VOCABULARY)) == len(
        instructions.VOCABULARY
    )
    found = instructions.tokenize("Put the carrot on the plate.")
    assert found.tolist() == [1, 2, 3, 4, 2, 5, 0, 0, 0, 0, 0, 0] and found.dtype == np.int32
    with pytest.raises(InputError, match=r"unknown word 'carot'\. Did you mean 'carrot'\?"):
        instructions.tokenize("put the carot on the plate")
    with pytest.raises(InputError, match="has 13 words; write 1 to 12"):
        instructions.tokenize("the " * 13)


# In a process of its own, because MuJoCo chooses OpenGL when it is imported.
NO_OPENGL = 77  # status of a process that could not open OpenGL; all else that fails is a mistake
COMPARE = """
import sys
try:
    import mujoco
    mujoco.GLContext(8, 8).free()
except Exception as error:
    print(repr(error), file=sys.stderr)
    sys.exit(int(sys.argv[1]))
import numpy as np
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import paint
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.renderer import Renderer
for setting in ("cube-stacking", "carrot-on-plate", "spoon-in-bowl"):
    tables = Tables(Options(setting=setting, image=None, randomized=True, spawns="c4"), 2, 1)
    state = tables.reset(streams(0, 2))
    world = tables.world
    cast = paint.look(tables.physics, world.userdata, (96, 128), np.arange(2)).geom.reshape(2, 96, 128)
    renderer = Renderer(world.model, paint.Palette(world.model, tables.options.world), (96, 128))
    drawn = renderer.geoms(state.simulator)
    body = np.append(world.model.geom_bodyid, -1)
    for name in (*(thing.name for thing in tables.options.world.things), "gripper", "world"):
        one, other = (body[geoms] == world.model.body(name).id for geoms in (cast, drawn))
        if one.sum() > 20:
            print(setting, name, round((one & other).sum() / (one | other).sum(), 3))
    assert renderer.images(state.simulator).shape == (2, 96, 128, 3)
    renderer.close()
"""


def test_both_ways_to_draw_agree_on_who_is_where():
    backend = os.environ.get("MUJOCO_GL", "egl")
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, str(NO_OPENGL)],
        capture_output=True,
        text=True,
        env={**os.environ, "MUJOCO_GL": backend},
        check=False,
    )
    if done.returncode == NO_OPENGL:
        pytest.skip(f"no OpenGL by {backend}: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    shares = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert len(shares) >= 9 and min(shares) >= 0.9, done.stdout


def test_beyond_a_gap_of_one_hues_stay():
    one, two = (looks.shifted(looks.Look(), gap) for gap in (1.0, 2.0))
    assert one.hue == two.hue == looks.GAP_HUE
    np.testing.assert_allclose(two.eye - looks.Look().eye, 2.0 * (one.eye - looks.Look().eye))
