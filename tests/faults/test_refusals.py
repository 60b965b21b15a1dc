"""Who works in a folder, and whether it is the same run that goes on there."""

import json
import os
import signal
import socket

from tests.faults.conftest import contents, one_line
from tests.faults.watching import Watched


def test_a_second_process(train, straight, tmp_path, assert_ends_alike):
    folder = tmp_path / "run"
    first = train(folder)
    watched = Watched(folder, first)
    assert first.until(lambda: (folder / "owner.json").exists() and watched.begun())
    os.kill(first.pid, signal.SIGSTOP)  # so that it is still there when the other one has looked
    try:
        before = contents(folder)
        refused = train(folder).result()
        assert contents(folder) == before
    finally:
        os.kill(first.pid, signal.SIGCONT)
    owner = f"process {first.pid} on {socket.gethostname()}"
    one_line(refused, 2, f"error: {folder}: {owner} works in it", "choose another --workdir")
    first.kill()
    assert_ends_alike(folder)  # nobody has to take the lock away


def changed(folder, section, **values):
    path = folder / "config.json"
    described = json.loads(path.read_text())
    described[section] = {**described[section], **values}
    path.write_text(json.dumps(described))
    return described


def test_another_configuration(train, stopped):
    before = contents(stopped)
    refused = train(stopped, "--config.discount=0.9", "--config.batch_size=16").result()
    one_line(
        refused, 2, "config.json", "'discount' is 0.99 there and 0.9 here", "'batch_size' is 32 there and 16"
    )
    assert contents(stopped) == before


def test_other_versions_code_and_dataset(train, stopped, straight, assert_ends_alike):
    changed(stopped, "versions", jax="0.0.1", numpy="1.0")
    described = changed(stopped, "dataset", fingerprint="0123456789ab")
    path = stopped / "config.json"
    path.write_text(json.dumps({**described, "source": "older"}))
    before = contents(stopped)
    refused = one_line(train(stopped).result(), 2, "versions jax is '0.0.1' there", "versions numpy is '1.0'")
    assert "source is 'older' there" in refused and "--accept_changes" in refused
    assert contents(stopped) == before
    accepted = train(stopped, "--accept_changes").result()
    assert accepted.status == 0, accepted.error
    described = json.loads(path.read_text())
    assert [earlier["source"] for earlier in described["earlier"]] == ["older"]
    assert described["versions"]["numpy"] != "1.0"
    del described["earlier"]
    path.write_text(json.dumps(described))
    assert_ends_alike(stopped)


def test_another_dataset(train, stopped):
    changed(stopped, "dataset", fingerprint="0123456789ab")
    before = contents(stopped)
    one_line(train(stopped).result(), 2, "dataset fingerprint is '0123456789ab' there and")
    assert contents(stopped) == before
