"""Fields go to the arms that read them, and what is wrong with a job is known before anything starts."""

import itertools

import pytest

from rankq_jax.launch import commands, local, plan, resolve, slurm, sweep
from tests.launch import launching

READS = {"rankq": ["rankq"], "rankq_sac": ["rankq", "sac"], "sac": ["sac"], "iql": ["iql"], "bc": ["bc"]}
SECTIONS = ["bc", "iql", "rankq", "sac"]


@pytest.fixture
def asked(monkeypatch):
    """The questions in place of the training command, to which other names of configurations are wrong."""
    calls = []

    def resolved(flags, build):
        calls.append(flags)
        answers = []
        for words in flags:
            name = words[0].removeprefix("--config=").partition(":")[0]
            offline = "--config.offline.updates=0" not in words
            read = [s for s in READS.get(name, []) if s == "sac" or offline or name != "rankq_sac"]
            answers.append({"sections": SECTIONS, "read": read} if name in READS else {"error": f"no {name}"})
        return answers

    monkeypatch.setattr(resolve, "resolved", resolved)
    return calls


@pytest.mark.parametrize("configs", list(itertools.combinations(READS, 2)))
@pytest.mark.parametrize("section", SECTIONS)
def test_a_field_is_tried_by_those_who_read_it_alone(configs, section, asked):
    overrides = {f"{section}.x": (1, 2, 3), "seed": (0, 5), "online.env_steps": (7,)}
    if not any(section in READS[name] for name in configs):
        with pytest.raises(ValueError, match=f"field '{section}.x': no phase"):
            sweep.product(configs, overrides)
        return
    jobs = sweep.product(configs, overrides)
    for name in configs:
        own = [job for job in jobs if f"--config={name}" == job.arguments[0]]
        flags = [flag for job in own for flag in job.arguments if flag.startswith(f"--config.{section}.")]
        if section in READS[name]:
            assert len(own) == 6 and len(flags) == 6
        else:
            assert [job.name for job in own] == [f"{name}_seed=0", f"{name}_seed=5"] and flags == []
        assert all("--config.online.env_steps=7" in job.arguments for job in own)
    assert len(asked) == 1


def test_a_phase_that_is_left_out_reads_nothing(asked):
    jobs = sweep.product(("rankq_sac",), {"offline.updates": (0, 9), "rankq.sigma": (0.1, 0.2)})
    assert [job.name for job in jobs] == [
        "rankq_sac_offline.updates=0",
        "rankq_sac_offline.updates=9_rankq.sigma=0.1",
        "rankq_sac_offline.updates=9_rankq.sigma=0.2",
    ]


def test_what_is_unknown_is_kept_and_refused_later(asked):
    jobs = sweep.product(("iql", "nowhere"), {"iql.x": (1, 2), "iqk.y": (1,)})
    assert len(jobs) == 4 and all("--config.iqk.y=1" in job.arguments for job in jobs)


def test_no_configuration_is_read_where_no_section_of_an_algorithm_is_named(asked):
    sweep.product(("rankq", "iql"), {"online.env_steps": (1, 2), "seed": (1,), "preferences.expert": ("x",)})
    assert asked == []


SWEEP = """
from rankq_jax.launch import Job, product
SWEEP = [
    *product(("rankq", "iql"), {"rankq.sigma": (0.15, 0.3)}, tasks=("pointmaze-umaze,smoke",), seeds=2),
    Job("typo", ("--config=rankq:pointmaze-umaze", "--config.rankq.sigam=1")),
    *product(("rankq",), tasks=("pointmaze-umase", "pointmaze-umaze,smoek")),
    *product(("nothing", "td3_bc"), {"seeds": ("many", -1)}, tasks=("pointmaze-umaze,smoke",)),
    Job("flag", ("--config=experiments/configs/bc.py:pointmaze-umaze", "--sedes=3")),
    Job("none", ()),
]
"""
WRONG = {
    "typo": "unknown configuration field config.rankq.sigam",
    "rankq_pointmaze-umase": "unknown task 'pointmaze-umase'. Did you mean 'pointmaze-umaze'?",
    "rankq_pointmaze-umaze_smoek": "unknown option 'smoek'",
    "nothing_pointmaze-umaze_smoke_seeds=many": "no configuration of the project, file or module",
    "nothing_pointmaze-umaze_smoke_seeds=-1": "no configuration of the project, file or module",
    "td3_bc_pointmaze-umaze_smoke_seeds=many": "config.seeds=many",
    "td3_bc_pointmaze-umaze_smoke_seeds=-1": "seeds=-1 must be at least 1",
    "flag": "unknown flag --sedes",
    "none": "--config: missing",
}


def test_the_plan_finds_what_is_wrong_with_each_job(tmp_path):
    path = tmp_path / "sweep.py"
    path.write_text(SWEEP)
    done = launching.launch("launch.plan", path, f"--out={tmp_path / 'o'}", cwd=launching.ROOT, timeout=300)
    names = [line.partition(": ")[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert names[:3] == [f"{job}_pointmaze-umaze_smoke{end}" for job, end in (
        ("rankq", "_rankq.sigma=0.15"), ("rankq", "_rankq.sigma=0.3"), ("iql", ""),
    )]  # fmt: skip
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == len(WRONG)
    for line, (name, text) in zip(lines, WRONG.items(), strict=True):
        assert line.startswith(f"error: {name}: ") and text in line, line


@pytest.mark.parametrize("command", [local, plan])
def test_nothing_starts_where_a_job_is_wrong(command, asked, tmp_path, capsys):
    (tmp_path / "sweep.py").write_text(
        "from rankq_jax.launch import product\nSWEEP = product(('nowhere', 'rankq', 'other'), seeds=2)\n"
    )
    assert launching.status(command, tmp_path / "sweep.py", f"--out={tmp_path / 'o'}") == 2
    assert capsys.readouterr().err == "error: nowhere: no nowhere\nerror: other: no other\n"
    assert not (tmp_path / "o").exists()


def test_slurm_asks_too(asked, tmp_path, monkeypatch, capsys):
    (tmp_path / "sweep.py").write_text(
        "from rankq_jax.launch import product\nSWEEP = product(('nowhere',))\n"
    )
    monkeypatch.setattr(slurm, "_submitit", lambda: None)
    assert launching.status(slurm, tmp_path / "sweep.py", f"--out={tmp_path / 'o'}") == 2
    assert capsys.readouterr().err == "error: nowhere: no nowhere\n"


def test_jobs_that_are_done_are_not_asked_about(asked, tmp_path):
    (tmp_path / "nowhere" / "report").mkdir(parents=True)
    (tmp_path / "nowhere" / "report" / "index.html").touch()
    (tmp_path / "nowhere" / "summary.json").touch()
    commands.check(sweep.product(("nowhere",)), tmp_path)
    assert asked == [[]]


def test_a_checkout_that_gives_no_answer_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(launching.fake_checkout(tmp_path))
    (tmp_path / "rankq_jax" / "cli" / "resolve.py").write_text("raise ImportError('no jax')\n")
    with pytest.raises(
        ValueError, match=r"rankq_jax\.cli\.resolve: ended with status 1 \(ImportError: no jax\)"
    ):
        resolve.resolved([["--config=a"]], build=True)
