"""Tables from fabricated workdirs; every number is worked out from what was written into them."""

import json

import pytest

from rankq_jax.analysis import comparison, critics, tables
from rankq_jax.errors import InputError

CONFIG = {
    "algorithm": "rankq",
    "task": "pointmaze-umaze",
    "dataset": "",
    "dataset_steps": 80_000,
    "dataset_seed": 0,
    "seed": 0,
    "seeds": 3,
    "evaluation_episodes": 100,
    "actor_hidden": [128, 128],
    "critic_hidden": [128, 128],
    "critics": 2,
    "batch_size": 256,
    "offline": {"updates": 4_000},
    "online": {
        "algorithm": "",
        "env_steps": 2_000,
        "updates_per_step": 1.0,
        "mixing_ratio": 0.5,
        "mixing_ratio_final": 0.5,
        "mixing_anneal": 0,
    },
    "rankq": {"backup_samples": 10},
    "cql": {"backup_samples": 10, "samples": 10},
    "cal_ql": {"backup_samples": 10, "samples": 10},
}
SUMMARY = {
    "seeds": [0, 1, 2],
    "offline_success_rate": [0.9, 0.3, 0.6],
    "final_success_rate": [1.0, 0.7, 1.0],
    "final_episode_length": [70.0, 100.0, 76.0],
    "dataset": "pointmaze-umaze/waypoints-80k-seed0-v0",
    "updates": 6_000,
    "env_steps": 2_000,
    "wall_seconds": {"update": 120.0, "compile": 10.0, "total": 150.4},
}


def workdir(folder, summary=None, online=None, offline=None, **config):
    """A folder as a finished run leaves it; `summary=None` keeps every number above."""
    folder.mkdir(parents=True)
    config = {**CONFIG, **config}
    config["online"] = {**CONFIG["online"], **(online or {})}
    config["offline"] = {**CONFIG["offline"], **(offline or {})}
    recorded = {"config": config, "versions": {"python": "3.11"}, "git_commit": "c0ffee"}
    (folder / "config.json").write_text(json.dumps(recorded))
    (folder / "evaluations.jsonl").write_text("")
    (folder / "summary.json").write_text(json.dumps({**SUMMARY, **(summary or {})}))
    return folder


def sections(*folders):
    return comparison.by_task([comparison.finished(folder) for folder in folders])


def rendered(*folders, reference="rankq"):
    (only,) = sections(*folders).items()
    return tables.section(*only, reference)


def rows(text):
    """`{arm: cells}`."""
    table = [line for line in text.splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {cells[0]: cells[1:] for cells in split[2:]}


def test_a_row_by_hand(tmp_path):
    cells = rows(rendered(workdir(tmp_path / "a")))["rankq"]
    assert cells == [
        "60 [30, 90] (90, 30, 60)",  # mean of three; the interval is their range
        "90 [70, 100] (100, 70, 100)",
        "",  # the reference is not compared with itself
        "82 (70, 100, 76)",
        "150",  # 6,000 updates of 3 seeds in 120 s
        "150",
    ]


def test_the_probability_of_improvement_is_that_of_the_reference(tmp_path):
    worse = workdir(tmp_path / "b", {"final_success_rate": [0.1, 0.2, 0.7]}, name="bc")
    better = workdir(tmp_path / "c", {"final_success_rate": [1.0, 1.0, 1.0]}, name="iql")
    text = rendered(workdir(tmp_path / "a"), worse, better)
    # rankq has 1, 0.7, 1: against 0.1, 0.2, 0.7 it wins 8 of 9 pairs and ties one: 8.5 / 9
    assert rows(text)["bc"][2].startswith("0.94 [")
    # it ties twice with each of three ones and loses three times: (6 / 2) / 9
    assert rows(text)["iql"][2].startswith("0.33 [")
    other = rows(rendered(tmp_path / "a", worse, better, reference="iql"))
    assert other["iql"][2] == "" and other["rankq"][2].startswith("0.67 [")


def test_phases_that_an_arm_leaves_out(tmp_path):
    online = workdir(
        tmp_path / "online",
        {"offline_success_rate": [None, None, None], "updates": 2_000},
        name="rlpd",
        offline={"updates": 0},
        online={"updates_per_step": 4.0},
    )
    offline = workdir(
        tmp_path / "offline",
        {"env_steps": 0, "final_success_rate": SUMMARY["offline_success_rate"]},
        name="bc",
        online={"env_steps": 0, "updates_per_step": 9.0},
    )
    text = rendered(workdir(tmp_path / "a"), online, offline)
    assert rows(text)["rlpd"][:2] == ["-", "90 [70, 100] (100, 70, 100)"]
    assert rows(text)["bc"][0] == rows(text)["bc"][1] == "60 [30, 90] (90, 30, 60)"
    assert "4000 offline updates, then 2000 environment steps per seed; seeds 0, 1, 2; 100 eval" in text
    assert "Without an offline phase: rlpd." in text and "Without an online phase: bc." in text
    # rankq and rlpd differ; nine updates per step that were never made are not spoken of
    assert "updates per environment step 1 (rlpd: 4);" in text


def test_what_arms_may_choose_for_themselves_is_told(tmp_path):
    wide = workdir(tmp_path / "wide", name="rebrac", critic_hidden=[256, 256], critics=10, batch_size=64)
    merged = workdir(tmp_path / "merged", name="awac", online={"mixing_ratio": -1.0})
    moving = {"mixing_ratio": 0.9, "mixing_ratio_final": 0.1, "mixing_anneal": 500}
    annealed = workdir(tmp_path / "annealed", name="iql", online=moving)
    text = rendered(workdir(tmp_path / "a"), workdir(tmp_path / "b", name="sac"), wide, merged, annealed)
    assert "hidden layers 128-128 (rebrac: actor 128-128 and critic 256-256)" in text
    assert "critic members 2 (rebrac: 10)" in text and "batch 256 (rebrac: 64)" in text
    assert "0.5 (awac: as in one buffer; iql: 0.9 to 0.1 over 500 steps)" in text
    often = workdir(tmp_path / "often", algorithm="rlpd", name="often", rlpd={"critic_updates": 20})
    best = workdir(tmp_path / "best", name="best", keep_best=0.1)
    text = rendered(tmp_path / "a", often, best)
    assert "critic updates in one update 1 (often: 20);" in text
    assert "share of trajectories kept 1 (best: 0.1);" in text


def test_the_cost_of_conservative_updates(tmp_path):
    slow = {"wall_seconds": {"update": 480.0, "total": 500.0}}
    slower = {"wall_seconds": {"update": 540.0, "total": 560.0}}
    cql = workdir(tmp_path / "cql", slow, algorithm="cql")
    cal_ql = workdir(tmp_path / "cal_ql", slower, algorithm="cal_ql")
    text = rendered(workdir(tmp_path / "a"), cql, cal_ql)
    assert "over that of rankq: cql 4.0, cal_ql 4.5." in text  # 480 / 120 and 540 / 120 seconds
    # 4 + 10 + 1 + 1, and 3 sets of 10 + 10 + 1 + 1
    assert "rankq 16 (4 perturbed actions, 10 target, 1 actor, 1 data action); cql 42 (30 sampled" in text
    assert "Measured" not in rendered(cql, cal_ql)


def test_several_tasks_and_the_order_of_rows(tmp_path):
    a = workdir(tmp_path / "a", name="sac")
    b = workdir(tmp_path / "b", task="pointmaze-medium", offline={"updates": 10_000})
    c = workdir(tmp_path / "c")
    found = sections(a, b, c)
    assert {task: [arm.label for arm in arms] for task, arms in found.items()} == {
        "pointmaze-umaze": ["sac", "rankq"],
        "pointmaze-medium": ["rankq"],
    }
    text = tables.section("pointmaze-umaze", found["pointmaze-umaze"], "rankq")
    assert text.startswith("## pointmaze-umaze\n") and list(rows(text)) == ["sac", "rankq"]


def test_runs_of_one_name_are_told_apart(tmp_path):
    a, b = workdir(tmp_path / "x" / "run"), workdir(tmp_path / "y" / "run")
    text = rendered(a, b)
    assert list(rows(text)) == [f"rankq ({a})", f"rankq ({b})"]
    assert rows(text)[f"rankq ({a})"][2] == "-" and "No single arm named rankq" in text


def test_the_same_runs_make_the_same_text(tmp_path):
    folders = (
        workdir(tmp_path / "a"),
        workdir(tmp_path / "b", {"final_success_rate": [0.2, 0.9, 1.0]}, name="b"),
    )
    assert rendered(*folders) == rendered(*folders)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataset": "other/data-v0"}, "dataset"),
        ({"dataset_steps": 10}, "dataset_steps"),
        ({"dataset_seed": 1}, "dataset_seed"),
        ({"seed": 3}, "seed"),
        ({"seeds": 2}, "seeds"),
        ({"evaluation_episodes": 10}, "evaluation_episodes"),
        ({"offline": {"updates": 8_000}}, "offline.updates"),
        ({"online": {"env_steps": 1}}, "online.env_steps"),
    ],
)
def test_different_budgets_are_refused(changes, field, tmp_path):
    a, b = workdir(tmp_path / "a"), workdir(tmp_path / "b", name="sac", **changes)
    with pytest.raises(InputError, match=rf"b: field '{field}' is .* in .*a; .* one budget"):
        sections(a, b)


def test_folders_that_cannot_be_compared(tmp_path):
    a = workdir(tmp_path / "a")
    with pytest.raises(InputError, match="given twice"):
        sections(a, tmp_path / "a" / ".." / "a")
    summary = {key: value for key, value in SUMMARY.items() if key != "updates"}
    (a / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match=r"summary\.json: field 'updates' is missing"):
        sections(a)
    (a / "summary.json").unlink()
    with pytest.raises(InputError, match="has not finished"):
        sections(a)
    broken = workdir(tmp_path / "c")
    recorded = json.loads((broken / "config.json").read_text())
    del recorded["config"]["online"]["env_steps"]
    (broken / "config.json").write_text(json.dumps(recorded))
    with pytest.raises(InputError, match=r"config\.json: field 'online\.env_steps' is missing"):
        sections(broken)


def test_the_text_says_what_the_numbers_are():
    text = tables.how_to_read("rankq")
    for words in (
        "the last value, not the best", "A failed episode counts with its full length",
        "Results against rankq stay in", "95 % interval", "without compilation",
    ):  # fmt: skip
        assert words in text


def diagnosed(folder, records, **config):
    """A finished run with records of its critic: `(updates, seed, largest dQ/da, share, Q)`."""
    folder = workdir(folder, **config)
    lines = [
        {
            "phase": "offline" if updates <= 4_000 else "online", "updates": updates, "seed": seed,
            "diagnostics/action_gradient_max": slope, "diagnostics/q_data": value,
            **({} if share is None else {"diagnostics/rank/success/data_over_noisy": share}),
        }
        for updates, seed, slope, share, value in records
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_what_critics_say_by_hand(tmp_path):
    offline = [(2_000, 0, 9.0, 0.5, 1.0), (2_000, 1, 3.0, 0.5, 1.0), (4_000, 0, 2.0, 0.6, 1.0)]
    online = [(5_000, 0, 4.0, 0.9, 2.0), (5_000, 1, 8.0, 0.7, 2.0), (6_000, 0, 1.0, 0.9, 3.0)]
    # Seed 1 saw no success at the end of the offline phase, so that its share of 50 % stands.
    records = [*offline, (4_000, 1, 4.0, None, 2.0), *online, (6_000, 1, 2.0, 0.8, 4.0)]
    folder = diagnosed(tmp_path / "a", records, seeds=2)
    (arms,) = sections(folder).values()
    assert rows(critics.table(arms)) == {
        # Peaks 9 and 4; 2 and 4 before the switch, 4 and 8 after it; 1 and 2 at the end.
        "rankq": ["55, 85", "-", "-", "-", "6.5", "3, 6", "1.5", "1.5, 3.5"]
    }


def test_only_arms_whose_critics_were_looked_at_are_in_their_table(tmp_path):
    seen = diagnosed(tmp_path / "a", [(4_000, 0, 2.0, 0.5, 1.0)])
    unseen = workdir(tmp_path / "b", algorithm="cql")
    (arms,) = sections(seen, unseen).values()
    # One record only, of the offline phase.
    assert rows(critics.table(arms)) == {"rankq": ["50, -", "-", "-", "-", "2", "2, -", "-", "1, -"]}
    assert critics.table(arms[1:]) == ""
    (told, silent) = (tables.document(comparison_of(f), "x", "rankq", (), "y") for f in (seen, unseen))
    assert "max dQ/da" in told and "*above noisy*" in told
    assert "dQ/da" not in silent and "above noisy" not in silent


def comparison_of(folder):
    return [comparison.finished(folder)]
