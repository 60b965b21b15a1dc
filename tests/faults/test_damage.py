"""Files that are torn, changed or deleted, between two parts of a run and while it runs."""

import shutil

import pytest

from tests.faults.comparison import about, newest
from tests.faults.conftest import contents, one_line
from tests.faults.watching import Watched


def torn(checkpoint):
    files = [path for path in (checkpoint / "agent").rglob("*") if path.is_file() and path.stat().st_size]
    largest = max(files, key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])


def without_its_rows(checkpoint):
    """Takes away what it does not share with the checkpoint before."""
    names = [
        {segment[0] for segment in about(path)["segments"]}
        for path in (checkpoint, checkpoint.with_name(str(int(checkpoint.name) - 1)))
    ]
    assert names[0] - names[1]
    for name in names[0] - names[1]:
        (checkpoint.parent / "replay" / name).unlink()


@pytest.mark.parametrize("damage", [torn, without_its_rows])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(damage, stopped, assert_ends_alike):
    last = newest(stopped)
    damage(last)
    result = assert_ends_alike(stopped)
    assert f"warning: {last}: cannot be restored (" in result.error
    assert f"going on from {last.with_name(str(int(last.name) - 1))}" in result.error


def test_rows_that_all_checkpoints_need(stopped, train):
    for path in (stopped / "checkpoints" / "replay").iterdir():
        path.unlink()
    for path in (stopped / "checkpoints").glob("[0-9]*"):
        if not about(path)["segments"]:  # the best one, where it is of the time before there were rows
            shutil.rmtree(path)
    before = contents(stopped)
    one_line(train(stopped).result(), 2, f"{newest(stopped)}: cannot be restored (", "rows-", "put the files")
    assert contents(stopped) == before


def test_records_deleted_between_two_parts(stopped, train):
    (stopped / "metrics.jsonl").unlink()
    before = contents(stopped)
    at = about(newest(stopped))["notes"]["metrics"]
    one_line(
        train(stopped).result(), 2, f"{stopped / 'metrics.jsonl'}: ends at byte 0", str(at), "put the file"
    )
    assert contents(stopped) == before


def test_all_checkpoints_deleted_between_two_parts(stopped, assert_ends_alike):
    """There is nothing to go on from; records of the lost part would stand twice."""
    shutil.rmtree(stopped / "checkpoints")
    result = assert_ends_alike(stopped)
    assert f"warning: {stopped / 'checkpoints'}: holds no checkpoint" in result.error


def test_all_checkpoints_deleted_while_it_runs(straight, train, tmp_path, assert_ends_alike):
    """The next one holds everything again, also the rows that were written long ago."""
    folder = tmp_path / "run"
    command = train(folder)
    watched = Watched(folder, command)
    assert command.until(lambda: watched.last("metrics.jsonl").get("env_steps", 0) >= 1_000)
    (folder / "checkpoints").rename(tmp_path / "gone")  # in one move, while it may be written to
    late = watched.last("metrics.jsonl")["env_steps"]
    command.until(
        lambda: watched.last("metrics.jsonl")["env_steps"] >= late + 750 and not watched.unfinished()
    )
    if command.ended():  # it was writing one
        one_line(command.result(), 2, "the checkpoint was not written")
    else:
        command.kill()
        assert newest(folder).exists()
    assert_ends_alike(folder, without_best=True)
