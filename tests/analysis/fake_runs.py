"""Workdirs as runs leave them, written by hand."""

import copy
import json

EPISODES = 4  # of an evaluation; a success takes 10 steps, a failure 50; the return is their negative
POINTS = (("offline", 50, 0), ("offline", 100, 0), ("online", 150, 200))  # phase, updates, environment steps
CONFIG = {
    "algorithm": "rankq",
    "name": "rankq",
    "task": "pointmaze-umaze",
    "seed": 0,
    "seeds": 1,
    "dataset": "",
    "dataset_steps": 12_000,
    "dataset_seed": 0,
    "evaluation_episodes": EPISODES,
    "offline": {"updates": 100},
    "online": {"algorithm": "", "env_steps": 200},
    "rankq": {"sigma": 0.15},
}


def length(successes):
    """Mean over the episodes of an evaluation."""
    return (10.0 * successes + 50.0 * (EPISODES - successes)) / EPISODES


def records(successes):
    """`{seed: successful episodes at each of the points that it reached}` as lines of evaluations.jsonl."""
    rows = []
    for i, (phase, updates, env_steps) in enumerate(POINTS):
        for seed, counts in successes.items():
            for episode in range(EPISODES if i < len(counts) else 0):
                steps = 10 if episode < counts[i] else 50
                place = dict(phase=phase, updates=updates, env_steps=env_steps, seed=seed, episode=episode)
                rows.append({**place, "success": steps == 10, "length": steps, "return": -float(steps)})
    return rows


def summary(successes):
    """Of a run that came to the last point."""
    return {
        "seeds": list(successes),
        "dataset": "umaze/waypoints-v0",
        "updates": 150,
        "env_steps": 200,
        "wall_seconds": {"update": 3.0, "total": 9.0},
        "offline_success_rate": [counts[1] / EPISODES for counts in successes.values()],
        "final_success_rate": [counts[2] / EPISODES for counts in successes.values()],
        "final_episode_length": [length(counts[2]) for counts in successes.values()],
    }


def workdir(folder, successes, job=None, commit="c0ffee", versions=None, about=None, **changes):
    """A folder with the records of `successes`, finished if every seed came to the last point.

    `changes` are those of the configuration; a dot in a field is written as two underscores. `about` is what
    config.json says beside that.
    """
    folder.mkdir(parents=True)
    config = copy.deepcopy(CONFIG) | {"seed": min(successes), "seeds": len(successes)}
    for field, value in changes.items():
        *path, last = field.split("__")
        place = config
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    recorded = {"config": config, "versions": versions or {"jax": "1.0"}, "git_commit": commit}
    recorded |= about or {}
    (folder / "config.json").write_text(json.dumps(recorded))
    lines = [json.dumps(record) + "\n" for record in records(successes)]
    (folder / "evaluations.jsonl").write_text("".join(lines))
    if all(len(counts) == len(POINTS) for counts in successes.values()):
        (folder / "summary.json").write_text(json.dumps(summary(successes)))
    if job is not None:
        launched(folder, **job)
    return folder


def launched(folder, **job):
    """The launcher's record of a job."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {"state": "done", "error": "", "starts": 1, "failures": 0, "host": "here", "process": 4}
    (folder / "job.json").write_text(json.dumps({**known, **job}))
    return folder
