"""Every field of every record of a run replaced by whatever JSON knows: one line, or the row left out."""

import copy
import json
import math

import numpy as np
import pytest

from rankq_jax.analysis import curves, pictures, sweep_page
from rankq_jax.cli import table
from rankq_jax.errors import InputError
from rankq_jax.training import report
from tests.analysis.fake_runs import launched, workdir

MISSING = object()
OTHERS = [MISSING, None, True, 0.5, -(10**400), math.inf, math.nan, 1e308, "a\nb", [], [1, "a"], {}]

CHANGES = {  # fields that only tables read
    "online__updates_per_step": 1.0, "online__mixing_ratio": 0.5, "online__mixing_ratio_final": 0.5,
    "online__mixing_anneal": 0, "actor_hidden": [8], "critic_hidden": [8, 8], "rankq__critic_updates": 1,
    "preferences__expert": "x", "preferences__all_at_once": 0, "preferences__query_interval": 2,
    "critics": 2, "batch_size": 8, "keep_best": 0.5, "cql__samples": 10, "cql__backup_samples": 10,
    "rankq__backup_samples": 10, "cql__critic_updates": 1, "preferences__query_limit": 3,
    "preferences__flipped_answers": 0.1, "preferences__rank_net": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What is drawn is looked at elsewhere, and takes most of the time."""
    for module, name in (
        (curves, "learning_curves"), (curves, "profiles"), (pictures, "landscapes"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda panels, *rest: b"")
    monkeypatch.setattr(sweep_page.statistics, "RESAMPLES", 5)

    class Value:
        value = staticmethod(lambda seed: None)
        built = type("Built", (), {"networks": type("Networks", (), {"action_size": 2})})

    monkeypatch.setattr(report, "restore", lambda folder: Value)
    monkeypatch.setattr(report, "landscapes", lambda value, states, *rest: list(np.asarray(states) + 1.0))


def run(folder, seed=0, algorithm="cql"):
    workdir(folder, {seed: (1, 2, 3)}, **{**CHANGES, "algorithm": algorithm, "name": algorithm})
    lines = (folder / "evaluations.jsonl").read_text().splitlines()
    text = "".join(json.dumps({**json.loads(line), "start": [0.5, 0.5]}) + "\n" for line in lines)
    (folder / "evaluations.jsonl").write_text(text)
    return launched(folder)


def paths_of(value, prefix=()):
    if prefix:
        yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths_of(inner, (*prefix, key))


def changed(value, path, other):
    result = copy.deepcopy(value)
    place = result
    for key in path[:-1]:
        place = place[key]
    if other is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = other
    return result


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(folder)
    return folder


def cases():
    # By hand, because a fixture makes the records; `test_every_field_is_in_the_list` holds both together.
    config = ["algorithm", "name", "task", "seed", "seeds", "dataset", "dataset_steps", "dataset_seed",
              "evaluation_episodes", "offline", "offline.updates", "online", "online.algorithm",
              "online.env_steps", "rankq", "rankq.sigma", "cql", "preferences"]  # fmt: skip
    config += [field.replace("__", ".") for field in CHANGES]
    yield from (("config.json", field) for field in ("config", "versions", "versions.jax", "git_commit"))
    yield from (("config.json", f"config.{field}") for field in config)
    yield from (("config.json", f"config.{field}_hidden.0") for field in ("actor", "critic"))
    yield ("config.json", "config.critic_hidden.1")
    fields = ("seeds", "offline_success_rate", "final_success_rate", "final_episode_length")
    yield from (("summary.json", f"{field}{end}") for field in fields for end in ("", ".0"))
    rest = ("dataset", "updates", "env_steps", "wall_seconds", "wall_seconds.update", "wall_seconds.total")
    yield from (("summary.json", field) for field in rest)
    places = ("phase", "updates", "env_steps", "seed", "episode", "success", "length", "return", "start")
    yield from (("evaluations.jsonl", field) for field in (*places, "start.0", "start.1"))
    launcher = ("state", "error", "starts", "failures", "host", "process")
    yield from (("job.json", field) for field in launcher)


CASES = list(cases())


def test_every_field_is_in_the_list(whole):
    for file in ("config.json", "summary.json", "evaluations.jsonl", "job.json"):
        record = json.loads(
            (whole / file).read_text().splitlines()[0] if "jsonl" in file else (whole / file).read_text()
        )
        found = {".".join(map(str, path)) for path in paths_of(record)}
        assert found == {field for name, field in CASES if name == file}, file


def damage(folder, file, field, other):
    path = folder / file
    lines = path.read_text().splitlines() if file.endswith("l") else [path.read_text()]
    place = tuple(int(key) if key.isdecimal() else key for key in field.split("."))
    lines[0] = json.dumps(changed(json.loads(lines[0]), place, other))
    path.write_text("\n".join(lines) + "\n")


def one_line(command, *arguments):
    """Whether it went well; one line otherwise."""
    try:
        command(*arguments)
    except InputError as error:
        text = str(error)
        assert "\n" not in " ".join(text.split("\\n")) and len(text) < 1000
        return text
    return ""


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("file", "field"), CASES)
def test_a_field_of_another_type_is_one_line_or_a_row_less(file, field, tmp_path):
    sweep, shown = tmp_path / "sweep", 0
    for i, other in enumerate(OTHERS):
        fine, hurt = run(sweep / f"a{i}", i, "rankq"), run(sweep / f"b{i}", i)
        shown += not one_line(table.write, tmp_path / "t.md", [fine, hurt], "c", "rankq", [])
        damage(hurt, file, field, other)
        for told in (
            one_line(report.write, tmp_path / f"page{i}", [hurt]),
            one_line(table.write, tmp_path / f"t{i}.md", [fine, hurt], "c", "rankq", []),
        ):
            assert not told or str(hurt) in told, told
    assert shown == len(OTHERS)  # before the damage
    assert one_line(report.write, tmp_path / "page", [sweep]) == ""  # the other runs are there all the same
    text = (tmp_path / "page" / "index.html").read_text()
    assert "pointmaze-umaze: final results" in text and f"<td>rankq</td><td>{len(OTHERS)}</td>" in text


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        ("summary.json", "final_success_rate.0", math.inf), ("summary.json", "final_success_rate.0", 1.5),
        ("summary.json", "wall_seconds.total", [1]), ("summary.json", "seeds", [True]),
        ("config.json", "git_commit", None), ("config.json", "versions.jax", None),
        ("config.json", "config.seeds", 10**12), ("config.json", "config.name", 3),
        ("config.json", "config.actor_hidden", 8), ("evaluations.jsonl", "success", math.nan),
        ("evaluations.jsonl", "updates", math.inf),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_names_file_and_field(file, field, value, tmp_path):
    hurt = run(tmp_path / "sweep" / "b")
    damage(hurt, file, field, value)
    commands = [lambda: report.write(tmp_path / "one", [hurt])]
    commands += [lambda: table.write(tmp_path / "t.md", [hurt], "c", None, [])] * (
        file != "evaluations.jsonl"
    )
    if field != "config.actor_hidden" and field != "config.seeds":  # a page of one run does not read them
        assert str(hurt / file) in one_line(commands[0])
    for command in commands[1:]:
        told = one_line(command)
        assert str(hurt / file) in told and field.split(".")[0 if file != "config.json" else -1][:7] in told
        assert not (tmp_path / "t.md").exists()


def test_packed_runs_are_one_row(tmp_path):
    """Two processes of two seeds each beside one of four."""
    four = workdir(tmp_path / "four", {s: (1, 2, s) for s in range(4)}, name="sac", **CHANGES)
    parts = [workdir(tmp_path / f"p{s}", {s: (1, 2, s), s + 1: (1, 2, s + 1)}, **CHANGES) for s in (2, 0)]
    table.write(tmp_path / "t.md", [*parts, four], "c", "rankq", [])
    rows = [
        line for line in (tmp_path / "t.md").read_text().splitlines() if line.startswith(("| rankq", "| sac"))
    ]
    assert len(rows) == 2
    first, second = (row.split(" | ") for row in rows)
    assert first[0] == "| rankq" and second[0] == "| sac"
    assert first[2].endswith("(0, 25, 50, 75)") and first[2] == second[2]
    # lengths of 50, 40, 30 and 20 steps, and the returns are their negatives
    assert first[4] == second[4] == "-35.0 (-50.0, -40.0, -30.0, -20.0)"
    assert first[5] == second[5] == "35 (50, 40, 30, 20)"
    # both processes take 3 s for 150 updates of two seeds, 9 s in all
    assert first[6:] == ["100", "18 |"] and second[6:] == ["200", "9 |"]
    assert "seeds 0, 1, 2, 3;" in (tmp_path / "t.md").read_text()


@pytest.mark.parametrize("seeds", [(0, 0), (0, 2)])
def test_runs_whose_seeds_are_no_row_of_numbers_stay_apart(seeds, tmp_path):
    folders = [workdir(tmp_path / f"r{i}", {seed: (1, 2, 3)}, **CHANGES) for i, seed in enumerate(seeds)]
    told = one_line(table.write, tmp_path / "t.md", folders, "c", "rankq", [])
    assert ("field 'seed'" in told) == (seeds == (0, 2))
    if not told:
        assert f"rankq ({folders[0]})" in (tmp_path / "t.md").read_text()
