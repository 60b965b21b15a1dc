"""Names of workdirs from whatever values: one folder each, inside the folder of the sweep."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from rankq_jax.launch import names, sweep

# What breaks names: separators of paths and of names, dots, what ends lines and texts, marks of the digest.
PIECES = st.sampled_from(
    ["/", "..", "../", ".", "\n", "\0", "\r", "\x1b[31m", "_", "=", "_a.b=", "@", ",", " ", "~", "{out}/",
     "bc_x", "td3_bc", "é", "漢", "\udcff", "x" * 120, "/" * 300, "", "-", "--config=", "1", "0.5"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=5).map("".join) | st.text(max_size=12)
VALUES = TEXTS | st.integers() | st.floats() | st.booleans() | st.tuples(st.integers(), st.integers())


def jobs_of(overrides):
    """Without asking which fields are read: they are of no section."""
    return sweep.product(("td3_bc",), overrides, tasks=("x",))


@seed(13)
@settings(max_examples=400, deadline=None, database=None)
@given(
    st.lists(VALUES, min_size=2, max_size=5, unique_by=str),
    st.lists(VALUES, min_size=2, max_size=3, unique_by=str),
)
@example(["../bc_x", "bc_x"], ["", "/"])
@example(["1", "1_seed=2"], ["2_seed=3", "3"])
def test_names_are_one_for_each_job_and_stay_in_the_folder(first, second):
    jobs = jobs_of({"dataset": first, "name": second})
    assert len({job.arguments for job in jobs}) == len(jobs) == len(first) * len(second)
    assert len({job.name for job in jobs}) == len(jobs)
    out = Path("/runs/sweep")
    for job in jobs:
        assert os.path.normpath(out / job.name) == f"/runs/sweep/{job.name}"
        assert Path(job.name).name == job.name not in (".", "..")
        assert job.name.isprintable() and "\0" not in job.name
        assert 0 < len(os.fsencode(names.part(job.name, "seeds1000000-9999999"))) <= 255
        assert names.problem(job.name) == ""
    assert jobs_of({"dataset": first, "name": second}) == jobs  # the same folders the next time


@seed(14)
@settings(max_examples=100, deadline=None, database=None)
@given(TEXTS, TEXTS)
def test_arms_have_names_of_folders_too(argument, variant):
    job = sweep.arm("rankq", argument, {}, variant)
    assert names.problem(job.name) == "" and Path(job.name).name == job.name


def test_a_name_that_is_no_trouble_stays_as_it_is():
    for text in (
        "rankq_pointmaze-umaze_smoke_rankq.sigma=0.15",
        "a_actor_hidden=(128, 128)",
        "b_x=1e-05",
        "é",
    ):
        assert names.folder(text) == text
    assert names.folder("x" * 255) == "x" * 255
    assert names.part("rankq_x", "seeds0-3") == "rankq_x_seeds0-3"


def test_a_name_that_is_trouble_stays_readable():
    name = names.folder("td3_bc_x_dataset=../data/door.hdf5")
    assert name.startswith("td3_bc_x_dataset=..-data-door.hdf5@")
    assert len(names.folder("é" * 200).encode()) <= 255


def test_a_long_name_can_be_a_folder_on_this_disk(tmp_path):
    """Of two values that differ in their last character alone, far behind the limit."""
    jobs = jobs_of({"dataset": ["/" + "d" * 5000 + end for end in "ab"]})
    for job in jobs:
        (tmp_path / job.name).mkdir()
    assert len(list(tmp_path.iterdir())) == 2


BAD = {
    "": "is empty", ".": "begins with a dot", "..": "begins with a dot", ".slurm": "begins with a dot",
    "/tmp/a": "is a path", "../a": "begins with a dot", "a/../b": "is a path", "a\nb": "holds a line break",
    "a\0b": "holds a line break", "x" * 256: "has 256 bytes", "\udcff": "holds a line break",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_names_that_a_file_gives_itself_are_refused(name, tmp_path):
    path = tmp_path / "sweep.py"
    path.write_text(f"from rankq_jax.launch import Job\nSWEEP = [Job('fine', ()), Job({name!a}, ())]\n")
    with pytest.raises(ValueError, match="the name of job 1") as caught:
        sweep.read(str(path))
    assert BAD[name] in str(caught.value) and str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{path}: ")
