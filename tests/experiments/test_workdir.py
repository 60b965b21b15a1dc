"""Whose a folder is: configuration, versions, code, dataset, and the process that works in it."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.errors import InputError
from rankq_jax.training import workdir
from rankq_jax.types import Transition


@pytest.fixture
def config():
    return configs.arm("sac", "pointmaze-umaze,smoke")


@pytest.fixture
def claimed(config, tmp_path):
    folder = tmp_path / "run"
    about = workdir.description(configs.parse(config))
    workdir.claim(folder, about | {"dataset": {"name": "a", "fingerprint": "1"}})
    return folder


def test_every_difference_is_named_in_one_line(claimed, config):
    config.discount, config.sac.target_rate = 0.9, 0.5
    mine = workdir.description(configs.parse(config)) | {"dataset": {"name": "a", "fingerprint": "2"}}
    mine["versions"] = mine["versions"] | {"jax": "0.1"}
    mine["source"] = "abc"
    before = (claimed / "config.json").read_bytes()
    with pytest.raises(InputError) as caught:
        workdir.compare(claimed, mine, accept=False)
    message = str(caught.value)
    for words in (
        "field 'discount' is 0.99 there and 0.9 here", "field 'sac.target_rate'", "versions jax is",
        "source is", "and 'abc' here", "dataset fingerprint is '1' there and '2' here", "--accept_changes",
    ):  # fmt: skip
        assert words in message
    assert "\n" not in message
    assert len(workdir.compare(claimed, mine, accept=True)) == 5
    assert (claimed / "config.json").read_bytes() == before


def test_what_no_result_depends_on_may_change(claimed, config):
    config.threads, config.keep_checkpoints, config.checkpoint_minutes = 7, 5, 1.0
    config.offline.checkpoint_every = 3
    assert workdir.belongs(claimed, configs.parse(config))
    config.offline.evaluate_every = 3
    with pytest.raises(InputError, match=r"field 'offline.evaluate_every'.*; choose another --workdir"):
        workdir.belongs(claimed, configs.parse(config))
    assert workdir.belongs(claimed, configs.parse(config), accept=True)


def test_what_a_folder_was_is_kept(claimed, config):
    for discount in (0.9, 0.8):
        config.discount = discount
        workdir.claim(claimed, workdir.description(configs.parse(config)))
    about = json.loads((claimed / "config.json").read_text())
    assert about["config"]["discount"] == 0.8
    assert [earlier["config"]["discount"] for earlier in about["earlier"]] == [0.99, 0.9]
    assert all("earlier" not in earlier for earlier in about["earlier"])


def test_files_of_a_launcher_do_not_claim_a_folder(config, tmp_path):
    for name in ("job.json", "job.log", "lock", "owner.json", "process-1"):
        (tmp_path / name).write_text("")
    assert not workdir.belongs(tmp_path, configs.parse(config))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="holds files of something else"):
        workdir.belongs(tmp_path, configs.parse(config))


def data(reward):
    rows = np.zeros((3, 2), np.float32)
    return Transition(rows, rows, np.array(reward, np.float32), np.ones(3, np.float32), rows, {})


def test_a_dataset_is_known_by_its_numbers():
    assert workdir.fingerprint(data([1, 2, 3])) == workdir.fingerprint(data([1, 2, 3]))
    assert workdir.fingerprint(data([1, 2, 3])) != workdir.fingerprint(data([1, 2, 4]))
    assert workdir.fingerprint(data([1, 2, 3])) != workdir.fingerprint(data([3, 2, 1]))


def test_the_source_is_what_results_depend_on(monkeypatch, tmp_path):
    for name in (
        "rankq_jax/loop.py",
        "rankq_jax/a.xml",
        "rankq_jax/analysis/x.py",
        "rankq_jax/training/build.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    for name in ("rankq_jax/cli/report.py", "rankq_jax/training/workdir.py", "rankq_jax/configs/arms.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(workdir, "__file__", str(tmp_path / "rankq_jax" / "training" / "workdir.py"))
    first = workdir.source()
    for name in ("rankq_jax/analysis/x.py", "rankq_jax/cli/report.py", "rankq_jax/configs/arms.py"):
        (tmp_path / name).write_text("two")
        assert workdir.source() == first, name
    for name in ("rankq_jax/loop.py", "rankq_jax/a.xml", "rankq_jax/training/build.py"):
        (tmp_path / name).write_text("two")
        assert workdir.source() != first, name
        (tmp_path / name).write_text("one")


HOLDING = "import sys; from pathlib import Path; from rankq_jax.training import workdir\n"
HOLDING += "with workdir.held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_a_folder_is_held_by_one_process_and_free_when_that_dies(tmp_path, monkeypatch):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "held\n"
        words = f"process {other.pid} on {socket.gethostname()} works in it"
        with pytest.raises(InputError, match=words), workdir.held(tmp_path):
            pass
        (tmp_path / "owner.json").unlink()  # as before it has written who it is
        monkeypatch.setattr(workdir, "PATIENCE", 0.1)
        with pytest.raises(InputError, match="another process works in it"), workdir.held(tmp_path):
            pass
        other.kill()
        other.wait()
        with workdir.held(tmp_path):
            owner = json.loads((tmp_path / "owner.json").read_text())
            assert owner == {"host": socket.gethostname(), "process": os.getpid()}
        with workdir.held(tmp_path):  # and again, because it was given back
            pass
    finally:
        other.kill()
        other.communicate()
