"""Videos of a run's first and newest policies in its report."""

import base64
import re
import shutil

import imageio.v3 as imageio
import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.cli.main import execute
from rankq_jax.envs.filming import encoded, tiled
from rankq_jax.errors import InputError
from rankq_jax.training import films, train
from rankq_jax.training.restore import restore

pytestmark = pytest.mark.filterwarnings("ignore:.*recorded episodes outlast")

TINY = {
    "horizon": 20, "dataset_steps": 600, "actor_hidden": (8,), "batch_size": 8, "evaluation_episodes": 1,
    "offline.updates": 4, "offline.updates_per_iteration": 2, "offline.updates_per_dispatch": 2,
    "online.env_steps": 0, "seeds": 2, "actor_learning_rate": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of two runs, of which the second begins with the policy of the first."""
    folder = tmp_path_factory.mktemp("films")
    for name, source in (("one", ""), ("two", str(folder / "one"))):
        config = configs.arm("bc", "pointmaze-umaze")
        config.update_from_flattened_dict(TINY | {"init_from": source})
        train.train(configs.parse(config), folder / name)
    return folder / "one", folder / "two"


def test_films_lie_in_rows_and_wait_for_the_longest():
    short, long = (np.full((length, 2, 3, 3), color, np.uint8) for length, color in ((1, 7), (3, 9)))
    frames = tiled([short, long, long])
    assert [frame.shape for frame in frames] == [(4, 6, 3)] * 3
    for frame in frames:
        assert (frame[:2, :3] == 7).all() and (frame[:2, 3:] == 9).all()
        assert (frame[2:, :3] == 9).all() and not frame[2:, 3:].any()
    read = imageio.imread(encoded(frames, 4), extension=".gif")
    np.testing.assert_array_equal(read[0], frames[0])


def test_the_first_policy_is_the_one_that_the_run_has_begun_with(runs):
    one, two = runs
    theirs, begun, newest = restore(one).params, films.first(two).params, restore(two).params
    for name, wanted in zip(("first", "newest"), (True, False), strict=True):
        found = {"first": begun, "newest": newest}[name]
        equal = [
            np.array_equal(*leaves) for leaves in zip(*map(jax.tree.leaves, (theirs, found)), strict=True)
        ]
        assert all(equal) == wanted, name
    with pytest.raises(InputError, match="has begun with random weights"):
        films.first(one)


def test_whoever_looks_at_a_run_writes_nothing_to_it(runs, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(runs[1], copy)
    (copy / "init_from.json.lock").unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    films.first(copy)
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
    (copy / "init_from.json").unlink()
    with pytest.raises(InputError, match=r"init_from.json: does not name config.init_from="):
        films.first(copy)
    assert not (copy / "init_from.json").exists()


@pytest.mark.slow
def test_the_report_shows_both_from_the_same_starts(runs, tmp_path, capsys):
    one, two = runs
    assert execute(["report", "--film", f"--out={tmp_path / 'page'}", str(two)]) in (0, None)
    page = (tmp_path / "page" / "index.html").read_text()
    told = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert [text.partition(":")[0] for text in told] == ["bc, first policy", "bc, newest policy"]
    shown = re.findall('data:image/gif;base64,([^"]*)', page)
    before, after = (imageio.imread(base64.b64decode(data), extension=".gif") for data in shown)
    # The place does not move before the first step; later the two policies differ.
    np.testing.assert_array_equal(before[0], after[0])
    assert len(before) == 20 and np.any(before[-1] != after[-1])
    assert execute(["report", "--film", f"--out={tmp_path / 'other'}", str(one)]) in (0, None)
    page = (tmp_path / "other" / "index.html").read_text()
    assert "No video of the first policy: the run has begun with random weights" in page
    assert page.count("<figcaption>") == 1
