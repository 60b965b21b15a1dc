"""Two folders of runs, bit for bit. Knows the files, and nothing of the code that wrote them."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp


class Comparison(NamedTuple):
    """What differs, one line each, and how many lines of records are gone."""

    mismatches: list[str]
    lost: int


def _timeless(record: dict[str, Any]) -> str:
    """A record in words, without the only field that depends on the clock."""
    return json.dumps({name: value for name, value in record.items() if name != "seconds"})


def _records(path: Path) -> list[str]:
    found = []
    for line in path.read_text().split("\n")[:-1]:
        try:
            found.append(_timeless(json.loads(line)))
        except ValueError:
            found.append(f"torn: {line}")
    if not path.read_text().endswith("\n"):
        found.append("the last line is torn")
    return found


def newest(folder: Path) -> Path:
    """The folder of the newest finished checkpoint of a run."""
    finished = [path for path in (folder / "checkpoints").iterdir() if path.name.isdigit()]
    return max(finished, key=lambda path: int(path.name))


def about(checkpoint: Path) -> dict[str, Any]:
    """The notes of a checkpoint."""
    return json.loads((checkpoint / "about" / "metadata").read_text())


def best(folder: Path) -> Path | None:
    """The folder of the checkpoint of the highest score, the first of equals; None where none has one."""
    scored = []
    for path in (folder / "checkpoints").iterdir():
        if path.name.isdigit() and (score := about(path)["score"]) is not None:
            scored.append((-score, int(path.name), path))
    return min(scored)[-1] if scored else None


def _of_best(expected: Path, found: Path) -> list[str]:
    """Whether both kept the same evaluation's state, agents alone: buffers are compared at the end."""
    configs = [json.loads((folder / "config.json").read_text())["config"] for folder in (expected, found)]
    if not all(config["keep_best_checkpoints"] for config in configs):
        return []  # scores are those of checkpoints that are kept for other reasons
    mine, theirs = best(expected), best(found)
    if mine is None or theirs is None:
        return [] if mine is theirs else ["the best checkpoint: only in one of both"]
    places = [
        {name: about(path)["notes"][name] for name in ("updates", "env_steps")} for path in (mine, theirs)
    ]
    if places[0] != places[1]:
        return [f"the best checkpoint: of {places[1]}, not of {places[0]}"]
    return [f"best {line}" for line in _of_arrays(leaves(mine), leaves(theirs))]


def leaves(checkpoint: Path) -> dict[str, np.ndarray]:
    """Every array of a checkpoint by its name, read by orbax alone."""
    found = {}
    with ocp.StandardCheckpointer() as reader:
        for part in sorted(checkpoint.iterdir()):
            if part.is_dir() and part.name not in ("about", "rows"):
                tree = reader.restore(part.absolute())
                for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
                    found[f"{part.name}{jax.tree_util.keystr(path)}"] = np.asarray(leaf)
    return found


def rows(checkpoint: Path, inserted: np.ndarray) -> dict[str, np.ndarray]:
    """What the replay buffers held: all leaves of each seed, from the oldest row to the newest."""
    capacity = json.loads((checkpoint.parents[1] / "config.json").read_text())["config"]["replay_capacity"]
    found: dict[str, np.ndarray] = {}
    segments = about(checkpoint)["segments"]
    for seed, end in enumerate(inserted):
        oldest = max(0, int(end) - capacity)
        parts: dict[str, list[np.ndarray]] = {}
        reached = oldest
        for name, first, last in segments:
            if last[seed] <= max(oldest, first[seed]):
                continue
            begin = max(oldest, first[seed])
            assert begin == reached, f"{checkpoint}: rows {reached} to {begin} of seed {seed} are missing"
            reached = last[seed]
            with np.load(checkpoint.parent / "replay" / name) as file:
                for key in file.files:
                    if key.startswith(f"seed{seed}/"):
                        parts.setdefault(key, []).append(file[key][begin - first[seed] :])
        assert reached == end, f"{checkpoint}: rows of seed {seed} end at {reached}, not at {end}"
        found |= {key: np.concatenate(values) for key, values in parts.items()}
    return found


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    """All arrays that a finished run leaves."""
    checkpoint = newest(folder)
    found = leaves(checkpoint)
    found |= {f"replay {key}": value for key, value in rows(checkpoint, found["inserted"]).items()}
    for path in sorted(folder.glob("*.npz")):  # trajectories, and the backbone of cached features
        with np.load(path) as file:
            found |= {f"{path.name} {key}": file[key] for key in file.files}
    return found


def _of_arrays(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> list[str]:
    mismatches = [f"{name}: only in one of both" for name in sorted(expected.keys() ^ found.keys())]
    for name in sorted(expected.keys() & found.keys()):
        mine, theirs = expected[name], found[name]
        if (mine.dtype, mine.shape) != (theirs.dtype, theirs.shape):
            mismatches.append(f"{name}: {mine.dtype}{mine.shape} became {theirs.dtype}{theirs.shape}")
        elif mine.tobytes() != theirs.tobytes():
            mismatches.append(f"{name}: other values")
    return mismatches


def _of_page(expected: Path, found: Path) -> list[str]:
    page = found / "report" / "index.html"
    if not page.exists():
        return ["report/index.html: missing"]
    text = page.read_text()
    pictures = [t.count("data:image/png") for t in (text, (expected / "report" / "index.html").read_text())]
    whole = text.rstrip().endswith("</html>") and pictures[0] == pictures[1] > 0
    return [] if whole else ["report/index.html: not whole"]


def compare(expected: Path, found: Path) -> Comparison:
    """What a finished run has else than one that was never interrupted.

    Args:
      expected: folder of the uninterrupted run.
      found: folder of the other.
    """
    mismatches, lost = [], 0
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        mine, theirs = _records(expected / name), _records(found / name)
        gone = (Counter(mine) - Counter(theirs)).total()
        lost += gone
        if mine != theirs:
            same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(mine, theirs, strict=False))
            mismatches.append(
                f"{name}: {len(theirs)} records, not {len(mine)}; {gone} lost; "
                f"the first other one is line {len(list(same)) + 1}"
            )
    # A commit may change what no run depends on; what it does depend on has a digest of its own, `source`.
    for name, free in (("summary.json", "wall_seconds"), ("config.json", "git_commit")):
        mine, theirs = (json.loads((folder / name).read_text()) for folder in (expected, found))
        for file in (mine, theirs):
            file.pop(free, None)
            file.get("config", {}).get("preferences", {}).pop("expert", None)
        mismatches += [
            f"{name}: {key} is {theirs.get(key)}, not {mine.get(key)}"
            for key in sorted(mine | theirs)
            if mine.get(key) != theirs.get(key)
        ]
    try:
        mismatches += _of_arrays(_arrays(expected), _arrays(found))
    except AssertionError as error:
        mismatches.append(str(error))
    mismatches += _of_best(expected, found)
    notes = about(newest(found))["notes"]
    for name in ("metrics", "evaluations"):
        size = (found / f"{name}.jsonl").stat().st_size
        if notes[name] != size:
            mismatches.append(f"{name}.jsonl: {size} bytes, {notes[name]} at the last checkpoint")
    mismatches += _of_page(expected, found)
    unfinished = [
        path.relative_to(found)
        for path in found.rglob("*")
        if "tmp" in path.name or path.name.startswith(".unfinished-")
    ]
    mismatches += [f"{path}: left behind" for path in unfinished]
    return Comparison(mismatches, lost)
