import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.analysis import curves, diagnostics, evaluations, page, pictures, results
from rankq_jax.analysis.q_landscape import landscapes
from rankq_jax.envs.maze_map import centred
from rankq_jax.errors import InputError
from rankq_jax.tasks import Scene
from rankq_jax.writers import JsonLines, read_lines, write_json

PNG = b"\x89PNG"


def bowl(observation, action):
    """A quadratic with its top at (0.3, -0.2) + observation."""
    return -jnp.sum(jnp.square(action[:, :2] - jnp.array([[0.3, -0.2]]) - observation), axis=1)


def test_the_landscape_of_a_quadratic(key):
    states = np.array([[0.0, 0.3], [0.1, 0.0]])
    keys = jax.random.split(key)
    other, place = landscapes(bowl, states, 3, keys, resolution=21, starts=8, steps=200)
    np.testing.assert_allclose(place.axis, np.linspace(-1, 1, 21), atol=1e-6)
    # value[j, i] belongs to action (axis[i], axis[j])
    np.testing.assert_allclose(place.value[4, 17], -((0.7 - 0.4) ** 2) - (-0.6 + 0.2) ** 2, rtol=1e-4)
    np.testing.assert_allclose(place.gradient[4, 17], [-2 * (0.7 - 0.4), -2 * (-0.6 + 0.2)], rtol=1e-4)
    ends = place.paths[:, -1]
    assert place.paths.shape == (8, 201, 2)
    np.testing.assert_allclose(ends, np.tile([0.4, -0.2], (8, 1)), atol=0.03)  # all climb to the top
    np.testing.assert_allclose(other.paths[:, -1], np.tile([0.3, 0.1], (8, 1)), atol=0.03)
    assert not np.any(other.paths[:, 0] == place.paths[:, 0])


def test_ascent_stays_in_the_box(key):
    (place,) = landscapes(lambda o, a: 10.0 * a[:, 0], np.zeros((1, 2)), 2, [key], starts=4, steps=150)
    np.testing.assert_allclose(place.paths[:, -1, 0], 1.0)


def test_a_landscape_needs_two_dimensions(key):
    with pytest.raises(ValueError, match="two action dimensions"):
        landscapes(bowl, np.zeros((1, 2)), 1, [key])


def records():
    """Two seeds: offline at 100 and 200 updates, online at 50 environment steps."""
    rows = []
    for updates, env_steps, success in ((100, 0, (0, 1)), (200, 0, (1, 1)), (250, 50, (1, 0))):
        for seed in (0, 1):
            for episode in (0, 1):
                value = success[seed] if episode else 0
                place = dict(phase="x", updates=updates, env_steps=env_steps, seed=seed)
                rows.append({**place, "success": bool(value), "length": 10.0 * (seed + 1)})
    return rows


def make_run(tmp_path, **config):
    folder = tmp_path / "run"
    folder.mkdir()
    config = {"algorithm": "rankq", "online": {"algorithm": ""}, **config}
    write_json(folder / "config.json", dict(config=config, versions={}, git_commit="c"))
    with (folder / "evaluations.jsonl").open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records())
    return results.read(folder)


def curve_of(run):
    return evaluations.curves(run.evaluations, ["success"], run.folder)["success"]


def test_a_curve_puts_offline_updates_left_of_zero(tmp_path):
    curve = curve_of(make_run(tmp_path))
    np.testing.assert_array_equal(curve.position, [-100, 0, 50])
    np.testing.assert_allclose(curve.value, [[0.0, 0.5], [0.5, 0.5], [0.5, 0.0]])


def test_names_tell_of_a_switch(tmp_path):
    assert make_run(tmp_path).name == "rankq"
    (tmp_path / "other").mkdir()
    assert make_run(tmp_path / "other", online={"algorithm": "sac"}).name == "rankq then sac"


def test_a_configuration_can_name_itself(tmp_path):
    named = make_run(tmp_path, name="rankq_sac", online={"algorithm": "sac"})
    assert named.name == "rankq_sac"
    (tmp_path / "other").mkdir()
    assert make_run(tmp_path / "other", name="").name == "rankq"


def test_training_waits_for_no_statistics():
    code = (
        "import sys, experiments.train as t; sys.exit(sum(m in sys.modules for m in ('rliable', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code]).returncode == 0


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        results.read(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        results.read(tmp_path)


def test_pictures_are_pictures(tmp_path, key):
    curve = curve_of(make_run(tmp_path))
    line = curves.of_seeds("rankq", 0, curve)
    assert curves.learning_curves({"success rate": [line]}).startswith(PNG)
    maze, path = centred(((1, 1, 1), (1, 0, 1), (1, 1, 1)), 1.0), np.zeros((4, 2))
    scene = Scene(maze, np.zeros(2), radius=0.4, max_step=0.1)
    drawn = pictures.maze_trajectories(scene, {"offline": ([path], [True])})
    assert drawn.startswith(PNG)
    (place,) = landscapes(bowl, np.zeros((1, 2)), 2, [key], steps=5)
    assert pictures.landscapes({"here": place}).startswith(PNG)


def test_a_page_escapes_what_it_is_given():
    text = page.page("a <b>", [("h", page.table(["<i>"], [["1 & 2"]]) + page.note("<script>"))])
    assert "<b>" not in text and "<i>" not in text and "<script>" not in text
    assert "a &lt;b&gt;" in text and "1 &amp; 2" in text


def test_lines_can_be_rolled_back(tmp_path):
    path = tmp_path / "lines.jsonl"
    lines = JsonLines(path)
    lines.write({"a": np.float32(1.5), "b": np.arange(2), "c": (True, np.bool_(False))})
    kept = lines.sync()
    lines.write({"a": 2})
    lines.close()
    again = JsonLines(path, keep=kept)
    again.write({"a": 3})
    again.close()
    assert read_lines(path) == [{"a": 1.5, "b": [0, 1], "c": [True, False]}, {"a": 3}]


def test_a_torn_line_is_left_out(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n{"a": ')
    assert read_lines(path) == [{"a": 1}]


def test_a_curve_begins_with_the_policy_that_has_only_collected(tmp_path):
    def evaluated(phase, updates, env_steps, *success):
        place = {"phase": phase, "updates": updates, "env_steps": env_steps}
        return [{**place, "seed": seed, "success": value} for seed, value in enumerate(success)]

    own = [
        *evaluated("collect", 0, 400, 0.2, 0.3),
        *evaluated("offline", 100, 400, 0.4, 0.5),
        *evaluated("online", 150, 450, 0.6, 0.7),
    ]
    curve = evaluations.curves(own, ["success"], tmp_path)["success"]
    assert list(curve.position) == [-100, 0, 50] and curve.untrained
    ends = {end: evaluations.at_end(curve, [0, 1], end) for end in results.ENDS}
    assert ends == {"initial": [0.2, 0.3], "offline": [0.4, 0.5], "final": [0.6, 0.7]}
    # Without an offline phase the first point is no end of it; without collecting there is no first one.
    online = evaluations.curves(own[:2] + own[4:], ["success"], tmp_path)["success"]
    assert evaluations.at_end(online, [0, 1], "offline") == [None, None]
    assert evaluations.at_end(online, [0, 1], "initial") == [0.2, 0.3]
    usual = evaluations.curves(
        [{**r, "env_steps": r["env_steps"] - 400} for r in own[2:]], ["success"], tmp_path
    )
    assert evaluations.at_end(usual["success"], [0, 1], "initial") == [None, None]


def told(folder, lines):
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_diagnostics_are_curves_over_updates(tmp_path):
    """Of two seeds; the second has no share at 20 updates, and most records have no diagnostics."""
    lines = [
        {"updates": 10, "seed": 3, "critic/td": 1.0},
        {"updates": 20, "seed": 3, "diagnostics/q_data": 0.5, "diagnostics/rank/settled": 1.0},
        {"updates": 20, "seed": 4, "diagnostics/q_data": -2.0},
        {"updates": 40, "seed": 3, "diagnostics/q_data": 0.7, "diagnostics/rank/settled": 0.2},
        {"updates": 40, "seed": 4, "diagnostics/q_data": -3.0, "diagnostics/rank/settled": 0.4},
    ]
    found = diagnostics.read(told(tmp_path / "run", lines))
    assert sorted(found) == ["q_data", "rank/settled"]
    assert found["q_data"].position.tolist() == [20, 40]
    np.testing.assert_array_equal(found["q_data"].value, [[0.5, -2.0], [0.7, -3.0]])
    np.testing.assert_array_equal(found["rank/settled"].value, [[1.0, np.nan], [0.2, 0.4]])
    line = curves.of_seeds("rankq", 0, found["rank/settled"])
    np.testing.assert_allclose(line.value, [1.0, 0.3])
    words = "share of settled pairs"
    plain, marked = (curves.over_updates({words: [line]}, switches) for switches in ([], [30]))
    assert plain.startswith(PNG) and marked.startswith(PNG) and plain != marked
    assert diagnostics.read(tmp_path) == {}


def test_a_damaged_diagnostic_is_named(tmp_path):
    folder = told(
        tmp_path / "run", [{"updates": 1, "seed": 0}, {"updates": 2, "seed": 0, "diagnostics/q_data": None}]
    )
    with pytest.raises(InputError, match=r"metrics\.jsonl: line 2: .*'diagnostics/q_data'"):
        diagnostics.read(folder)
