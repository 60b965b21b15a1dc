"""Loads generated dataset files, most of them wrong, and counts what becomes of them.

python -m tests.fuzz.data_files --files=2000 --seed=0
python -m tests.fuzz.data_files --files=500 --seed=0 --others
python -m tests.fuzz.data_files --files=500 --seed=0 --layouts dict dict_task

A file is silently wrong if a row is bootstrapped into anything but the observation that followed it, or if
successes and failures of a task with a binary reward are not those that happened.
"""

import argparse
import collections
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from rankq_jax.data.readings import READINGS
from rankq_jax.errors import InputError
from rankq_jax.tasks import training_data
from tests.fuzz import mutations, named, others, recorded

MOST_SECONDS = 10.0
MOST_NUMBER = 1e29  # of an observation as it happened
ROUNDED = (1e-3, 1e-6)  # relative and absolute, of numbers that were stored in half precision


def write(folder, random, name, layout, truth):
    """A file of one recording with one or two mutations, and the names of these."""
    changes = [mutations.ALL[i] for i in random.integers(0, len(mutations.ALL), int(random.integers(1, 3)))]
    told = "+".join(change.__name__ for change in changes)
    if layout == "minari":
        groups = recorded.minari_groups(truth, name)
        where = int(random.integers(len(groups)))
        for change in changes:
            groups[where] = _changed(change, random, groups[where])
        if random.random() < 0.1:  # two episodes stored as one
            joined = _changed(_joined, random, groups[:2])
            groups[:2] = [joined] if isinstance(joined, dict) else joined
            told += "+joined"
        sizes = truth.observations[0].shape[1], truth.actions[0].shape[1]
        return recorded.write_minari(folder / "set", groups, sizes), told
    if layout in others.BY_EPISODE:
        parts = others.episodes(truth, name)
        where = int(random.integers(len(parts)))
        for change in changes:
            parts[where] = _changed(change, random, parts[where])
        return _cut(random, others.write_parts(folder, random, layout, parts), told)
    of = others if layout in others.FORMATS else recorded
    arrays = of.flat(truth, name, "next" if layout in named.FORMATS else layout)
    for change in changes:
        arrays = _changed(change, random, arrays)
    if of is others:
        return _cut(random, others.write_flat(folder, random, layout, arrays), told)
    if layout in named.FORMATS:
        arrays = named.split(random, arrays)
    return _cut(random, recorded.write_flat(folder / f"set{random.choice(['.npz', '.hdf5'])}", arrays), told)


def _cut(random, path, told):
    """One file in twenty loses its end."""
    if random.random() >= 0.05:
        return path, told
    cut = (
        path if path.is_file() else random.choice(sorted(each for each in path.rglob("*") if each.is_file()))
    )
    cut.write_bytes(cut.read_bytes()[: int(random.integers(1, max(cut.stat().st_size, 2)))])
    return path, f"{told}+cut"


def _changed(change, random, arrays):
    """What a mutation makes, or the same where an earlier one took what it needs."""
    try:
        return change(random, arrays)
    except (KeyError, ValueError, TypeError, IndexError):
        return arrays


def _joined(random, groups):
    """One stored episode of two: the final observation of the first is lost."""
    one, other = groups
    kept = {
        key: array[:-1] if key in ("observations", "infos/success") else array for key, array in one.items()
    }
    return {key: np.concatenate([kept[key], other[key]]) for key in one}


def _places(truth):
    return {row.tobytes(): (e, t) for e, o in enumerate(truth.observations) for t, row in enumerate(o)}


def wrong(task, name, reading, truth, data):
    """What is silently wrong with loaded data, by its truth; empty if nothing is."""
    places = _places(truth)
    next_observation = named.joined(data.next_observation)
    start = [places.get(row.tobytes()) for row in named.joined(data.observation)]
    after = [places.get(row.tobytes()) for row in next_observation]
    if None in start:
        return ""  # observations that a mutation has rounded or changed have no truth
    for row, ((e, t), following) in enumerate(zip(start, after, strict=True)):
        if data.discount[row] == 0 or following == (e, t + 1):
            continue
        if following is None and np.abs(next_observation[row]).max() > MOST_NUMBER:
            continue  # of `bad_number`, in a final observation, which starts no step
        rounded = following is None and t + 1 < len(truth.observations[e])
        if not rounded or not np.allclose(next_observation[row], truth.observations[e][t + 1], *ROUNDED):
            return f"bootstraps ({e}, {t}) into {following}"
    happened = np.array([t < len(truth.success[e]) and truth.success[e][t] for e, t in start])
    if task.success is None:
        share = data.extras["success"].mean()
        return f"share {share} of a dense task" if share in (0.0, 1.0) else ""
    rewarded = data.reward > (min(task.rewards) * task.transform.scale + task.transform.bias) + 1e-3
    share = float((rewarded != happened).mean())
    return f"{100 * share:.3g} % of the rewards are not what happened" if share > 0.01 else ""


def outcome(task, name, path, reading, truth, layout=""):
    """`(kind, words)` of loading one file under one reading."""
    begun = time.monotonic()
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            data = training_data.load(
                task, str(path), task.transform, 0.99, reading=reading, needs_success=True,
                keys=named.keys_of(layout),
            )  # fmt: skip
    except InputError as error:
        return ("refused", "") if "\n" not in str(error) else ("several lines", str(error))
    except Exception:
        return "traceback", traceback.format_exc()
    if time.monotonic() - begun > MOST_SECONDS:
        return "slow", ""
    if layout == "dict_task":  # which states no limits, without which shifted ends are not noticed
        return "loaded", ""
    told = wrong(task, name, reading, truth, data)
    if told.startswith("share 1.0") and any("every episode succeeds" in str(one.message) for one in warned):
        told = ""
    return ("silently wrong", told) if told else ("loaded", "")


def run(files, seed, layouts=recorded.FORMATS):
    """Counts by `(kind of outcome, reading)`, and a line for each that must not be."""
    counts, faults = collections.Counter(), []
    for number in range(files):
        random = np.random.default_rng([seed, number])
        name, layout = random.choice(recorded.TASKS), random.choice(layouts)
        if name not in others.tasks(layout):
            name = random.choice(others.tasks(layout))
        task, truth = named.task_of(name, layout), recorded.record(random, name)
        with tempfile.TemporaryDirectory() as folder:
            path, told = write(Path(folder), random, name, layout, truth)
            for reading in READINGS:
                kind, words = outcome(task, name, path, reading, truth, layout)
                counts[kind, reading] += 1
                if kind not in ("loaded", "refused"):
                    faults.append(
                        f"seed {seed} file {number} {name} {layout} {told} {reading}: {kind}: {words}"
                    )
    return counts, faults


def main():
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--others", action="store_true", help="so many files of each layout of others")
    parser.add_argument("--layouts", nargs="*", help="so many files of each of these layouts")
    given, wrong = parser.parse_args(), False
    each = given.layouts or (others.FORMATS if given.others else ())
    for layouts in [(layout,) for layout in each] or [recorded.FORMATS]:
        counts, faults = run(given.files, given.seed, layouts)
        wrong |= bool(faults)
        print("\n".join(faults))
        print(f"seed {given.seed}, {given.files} files of {', '.join(layouts)}, each under every reading:")
        kinds = ("loaded", "refused", "several lines", "traceback", "slow", "silently wrong")
        print("".join(f"{word:>16}" for word in ("", *READINGS)))
        for kind in kinds:
            print("".join(f"{word:>16}" for word in (kind, *(counts[kind, reading] for reading in READINGS))))
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()
