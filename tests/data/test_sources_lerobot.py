"""LeRobot's folders, written by pyarrow in both of their layouts; skipped where pyarrow is missing."""

import io
import json
from importlib.util import find_spec

import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.data.sources import Wanted, packages
from rankq_jax.data.sources.images import decode
from rankq_jax.errors import InputError
from tests.data.test_sources_formats import check_as_training_data
from tests.data.test_sources_of_others import EPISODES, WITHOUT_FINAL, check, known

pyarrow = pytest.importorskip("pyarrow") if find_spec("pyarrow") else None
needed = pytest.mark.skipif(pyarrow is None, reason="pyarrow is not installed")


def columns(episodes, padded, split=False, flags=True):
    """The cells of every row; `padded` repeats the last step in the row of the final observation."""
    table = {}
    for number, (observation, action, reward, terminal) in enumerate(episodes):
        steps = len(action)
        step = np.minimum(np.arange(steps + padded), steps - 1)
        rows = {"action": action[step].tolist(), "next.reward": reward[step].astype(np.float32).tolist()}
        ends = step == steps - 1
        if flags:
            rows["next.done"] = ends.tolist()
            rows["next.success"] = (terminal[step] & ends).tolist()
        seen = observation[: steps + padded]
        if split:
            rows |= {"observation.state": seen[:, :1].tolist(), "observation.rest": seen[:, 1].tolist()}
        else:
            rows["observation.state"] = seen.tolist()
        rows |= {"episode_index": [number] * (steps + padded), "frame_index": list(range(steps + padded))}
        rows["task"] = ["walk"] * (steps + padded)
        for key, values in rows.items():
            table.setdefault(key, []).extend(values)
    return table


def write(folder, episodes, version="v3.0", padded=False, split=False, flags=True, info=None, spoil=None):
    """A dataset without its videos and statistics."""
    from pyarrow import parquet

    table = columns(episodes, padded, split, flags)
    number = np.array(table["episode_index"])
    sizes = {"action": 1, "observation.state": 1 if split else 2}
    kinds = {
        key: pyarrow.list_(pyarrow.float32(), sizes[key])
        if version == "v3.0"
        else pyarrow.list_(pyarrow.float32())
        for key in sizes
    }
    rows = pyarrow.table({k: pyarrow.array(v, kinds[k]) if k in kinds else v for k, v in table.items()})
    rows = spoil(rows) if spoil else rows
    (folder / "meta").mkdir(parents=True)
    (folder / "data" / "chunk-000").mkdir(parents=True)
    if version == "v3.0":  # several episodes in a file
        half = int(np.argmax(number == 2))
        for index, part in enumerate((rows[:half], rows[half:])):
            parquet.write_table(part, folder / f"data/chunk-000/file-{index:03d}.parquet")
    else:
        for episode in np.unique(number):
            part = rows.filter(pyarrow.array(number == episode))
            parquet.write_table(part, folder / f"data/chunk-000/episode_{episode:06d}.parquet")
    features = {
        name: {"dtype": "float32", "shape": [sizes.get(name, 1)], "names": None}
        for name in table
        if name.startswith(("observation.", "action"))
    }
    about = {"codebase_version": version, "total_episodes": len(episodes), "total_frames": len(number)}
    about |= {"fps": 10, "features": features}
    (folder / "meta" / "info.json").write_text(json.dumps({**about, **(info or {})}))
    return str(folder)


@needed
@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_a_dataset_with_final_observations(tmp_path, version):
    longer = [part for part in EPISODES for _ in range(3)]
    read = sources.load(write(tmp_path / "walks", longer, version, padded=True))
    check(read, longer)
    name = write(tmp_path / "few", EPISODES, version, padded=True)
    check_as_training_data(sources.load(name))
    with pytest.raises(InputError, match=rf"is a part of a LeRobot dataset; give its folder {name}\.$"):
        sources.load(f"{name}/meta/info.json")


@needed
def test_a_dataset_without_final_observations(tmp_path):
    read = sources.load(write(tmp_path / "walks", EPISODES))
    check(read, WITHOUT_FINAL, known(WITHOUT_FINAL))


@needed
def test_ends_without_flags_of_success(tmp_path):
    name = write(tmp_path / "walks", EPISODES, flags=False)
    won = [(o, a, r, (np.arange(len(r)) == len(r) - 1) & (r > 0)) for o, a, r, _ in EPISODES]
    whole = [(o, a, r, t) if t[-1] else (o[:-1], a[:-1], r[:-1], t[:-1]) for o, a, r, t in won]
    whole = [part for part in whole if len(part[1])]
    check(sources.load(name), whole, known(whole))
    assert not sources.load_one(name, Wanted(resolve="timeout")).terminated.any()


@needed
@pytest.mark.parametrize("keys", ["observation.rest+observation.state", "rest,state"])
def test_observations_are_chosen_by_name(tmp_path, keys):
    name = write(tmp_path / "walks", EPISODES, padded=True, split=True)
    whole = np.concatenate([o[:-1] for o, *_ in EPISODES])
    np.testing.assert_array_equal(sources.load(name, keys=keys).observation, whole[:, ::-1])
    with pytest.raises(
        InputError, match=r"has several entries: observation.state \(1\), observation.rest \(1\)"
    ):
        sources.load(name)


@needed
@pytest.mark.parametrize(
    ("info", "spoil", "words"),
    [
        ({"total_frames": 99}, None, "says total_frames 99, the parquet files hold 15; get the missing"),
        ({"total_episodes": 4}, None, "says total_episodes 4, the parquet files hold 5"),
        ({"codebase_version": "v1.6"}, None, "is of version v1.6, not 2 or 3"),
        ({"features": {"action": {"shape": ["x"]}}}, None, "says nothing of the shape of 'action'"),
        ({"features": {}}, None, "has no entry that is a vector"),
        (
            None,
            lambda rows: rows.drop_columns(["action"]),
            "field 'action' is missing from the parquet files",
        ),
        (None, lambda rows: rows.slice(1), "field 'frame_index' does not count .* at index 0"),
        (None, lambda rows: rows.take([0, 0, *range(2, 15)]), "does not count the frames .* at index 1"),
    ],
)
def test_what_is_wrong_with_a_dataset(tmp_path, info, spoil, words):
    name = write(tmp_path / "walks", EPISODES, info=info, spoil=spoil)
    with pytest.raises(InputError, match=words) as raised:
        sources.load(name)
    assert str(raised.value).startswith(name) and "\n" not in str(raised.value)


@needed
def test_rows_without_numbers_and_of_other_lengths(tmp_path):
    def holes(rows):
        cells = rows["action"].to_pylist()
        return rows.set_column(
            0, "action", pyarrow.array([None, *cells[1:]], pyarrow.list_(pyarrow.float32()))
        )

    def longer(rows):
        cells = rows["action"].to_pylist()
        cells = [*cells[:3], [0.0, 1.0], *cells[4:]]
        return rows.set_column(0, "action", pyarrow.array(cells, pyarrow.list_(pyarrow.float32())))

    with pytest.raises(InputError, match="field 'action' has rows without a number"):
        sources.load(write(tmp_path / "holes", EPISODES, spoil=holes))
    with pytest.raises(InputError, match="field 'action' has 2 numbers at index 3, not 1"):
        sources.load(write(tmp_path / "longer", EPISODES, spoil=longer))


@needed
def test_pictures_are_decoded_when_asked_for(tmp_path):
    def pictured(rows):
        cells = [{"bytes": picture(i), "path": f"{i}.png"} for i in range(len(rows))]
        return rows.append_column("observation.image", [cells])

    features = {
        "observation.state": {"dtype": "float32", "shape": [2]},
        "observation.image": {"dtype": "image", "shape": [4, 5, 3]},
        "observation.video": {"dtype": "video", "shape": [4, 5, 3]},
        "action": {"dtype": "float32", "shape": [1]},
    }
    name = write(tmp_path / "walks", EPISODES, padded=True, info={"features": features}, spoil=pictured)
    check(sources.load(name), EPISODES)  # the vector is taken
    with pytest.raises(InputError, match=r"field 'observation.video' is a video, which is not decoded"):
        sources.load(name, keys="video")
    with pytest.raises(InputError, match=r"field 'features/observation.image' has dtype uint8"):
        sources.load(name, keys="image")  # decoded, and no vector


def picture(value, size=(5, 4)):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((*size[::-1], 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_decoded_pictures(monkeypatch):
    cells = [{"bytes": picture(value)} for value in (3, 7)]
    for shape in ((4, 5, 3), (3, 4, 5)):
        found = decode("file", "image", cells, shape)
        np.testing.assert_array_equal(found, np.array([3, 7])[:, None, None, None] * np.ones((1, 4, 5, 3)))
        assert found.dtype == np.uint8
    with pytest.raises(InputError, match=r"has a picture of \(5, 4\) at index 0, not of \(6, 6, 3\)"):
        decode("file", "image", cells, (6, 6, 3))
    with pytest.raises(InputError, match="is no picture at index 1"):
        decode("file", "image", [cells[0], "text"], (4, 5, 3))
    with pytest.raises(InputError, match="field 'image', index 0 cannot be read"):
        decode("file", "image", [{"bytes": b"no picture"}], (4, 5, 3))
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package PIL; install it by `pip install pillow`"):
        decode("file", "image", cells, (4, 5, 3))


def test_pyarrow_is_named_where_it_is_missing(tmp_path, monkeypatch):
    (tmp_path / "walks" / "meta").mkdir(parents=True)
    (tmp_path / "walks" / "data" / "chunk-000").mkdir(parents=True)
    (tmp_path / "walks" / "data" / "chunk-000" / "file-000.parquet").write_bytes(b"PAR1")
    info = {"codebase_version": "v3.0", "features": {}}
    (tmp_path / "walks" / "meta" / "info.json").write_text(json.dumps(info))
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match="needs the package pyarrow; install it by `pip install pyarrow` or as"
    ):
        sources.load(str(tmp_path / "walks"))
