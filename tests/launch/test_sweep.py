import pytest

from rankq_jax.launch import sweep


def test_product_names_what_varies():
    jobs = sweep.product(
        ["rankq:pointmaze-umaze,smoke", "sac:pointmaze-umaze"],
        {"rankq.sigma": (0.15, 0.3), "seeds": (3,)},
    )
    assert [job.name for job in jobs] == [
        "rankq_pointmaze-umaze_smoke_rankq.sigma=0.15",
        "rankq_pointmaze-umaze_smoke_rankq.sigma=0.3",
        "sac_pointmaze-umaze",  # once, because it reads no section `rankq`
    ]
    assert jobs[2].arguments == ("--config=sac:pointmaze-umaze", "--config.seeds=3")
    assert jobs[1].arguments == (
        "--config=rankq:pointmaze-umaze,smoke",
        "--config.rankq.sigma=0.3",
        "--config.seeds=3",
    )


def test_an_arm_is_named_by_its_file_and_all_of_its_argument():
    job = sweep.arm("rankq", "pointmaze-umaze,paper", {"seeds": 3, "offline.updates": 40})
    config = "--config=rankq:pointmaze-umaze,paper"
    assert job == ("rankq_pointmaze-umaze_paper", (config, "--config.seeds=3", "--config.offline.updates=40"))


def test_a_variant_names_the_job_and_the_run():
    job = sweep.arm("iql", "pointmaze-umaze,offline", {"seeds": 3}, "iql_offline")
    assert job.name == "iql_offline_pointmaze-umaze_offline"
    assert job.arguments[1:] == ("--config.name=iql_offline", "--config.seeds=3")


def test_a_product_of_files_tasks_overrides_and_seeds():
    jobs = sweep.product(
        ("rankq", "my/own.py"), {"rankq.sigma": (0.3,)}, tasks=("pointmaze-umaze,smoke", "x"), seeds=2, seed=5
    )
    assert [job.name for job in jobs] == [
        "rankq_pointmaze-umaze_smoke", "rankq_x", "own_pointmaze-umaze_smoke", "own_x",
    ]  # fmt: skip
    flags = ("--config.seed=5", "--config.seeds=2", "--config.rankq.sigma=0.3")
    assert jobs[1].arguments == ("--config=rankq:x", *flags)
    assert jobs[2].arguments == ("--config=my/own.py:pointmaze-umaze,smoke", *flags)
    assert sweep.seeds(jobs[0]) == (5, 2)
    with pytest.raises(ValueError, match=r"rankq:x: names a task, and so does tasks='y'; leave one out"):
        sweep.product(("rankq:x",), tasks=("y",))


def test_seeds_are_split_into_processes():
    whole = sweep.product(("rankq",), {"online.env_steps": (9,)}, tasks=("x",), seeds=5, seed=2)
    own = "--config=rankq:x", "--config.online.env_steps=9"
    assert sweep.packed(whole, 2) == [
        ("rankq_x_seeds2-3", (*own, "--config.seed=2", "--config.seeds=2")),
        ("rankq_x_seeds4-5", (*own, "--config.seed=4", "--config.seeds=2")),
        ("rankq_x_seed6", (*own, "--config.seed=6", "--config.seeds=1")),
    ]
    assert sweep.packed(whole, 0) == sweep.packed(whole, 5) == sweep.packed(whole, 9) == whole
    assert [job.name for job in sweep.packed(whole, 1)] == [f"rankq_x_seed{i}" for i in (2, 3, 4, 5, 6)]
    with pytest.raises(ValueError, match="--pack=-1"):
        sweep.packed(whole, -1)
    # the first seed is that of the configuration, 0, where the arguments do not say
    (half, _) = sweep.packed([sweep.arm("rankq", "x", {"seeds": 2})], 1)
    assert half == ("rankq_x_seed0", (own[0], "--config.seed=0", "--config.seeds=1"))
    silent = sweep.Job("a", ("--config=b",))
    assert sweep.seeds(silent) is None and sweep.packed([silent], 1) == [silent]


def test_a_job_that_is_needed_stays_whole():
    first, second = (sweep.arm(name, "x", {"seeds": 2}) for name in ("a", "b"))
    second = second._replace(arguments=(*second.arguments, "--config.preferences.expert={out}/a_x"))
    assert sweep.needs(second) == ["a_x"] and sweep.needs(first) == []
    assert [job.name for job in sweep.packed([first, second], 1)] == ["a_x", "b_x_seed0", "b_x_seed1"]


def test_the_jobs_of_the_oap_sweep_need_its_expert():
    for job in sweep.read("launch/sweeps/oap.py"):
        assert sweep.needs(job) == (["rankq_pointmaze-umaze"] if job.name.startswith("oap") else [])


def test_the_smoke_sweep_is_small():
    jobs = sweep.read("launch/sweeps/smoke.py")
    assert len({job.name for job in jobs}) == 4 and {sweep.seeds(job) for job in jobs} == {(0, 4)}
    assert all(job.arguments[0].endswith(",smoke") for job in jobs)


def test_the_runs_of_the_oap_sweep_ask_as_often_as_the_others_step():
    jobs = {job.name.split("_pointmaze")[0]: job for job in sweep.read("launch/sweeps/oap.py")}
    fields = {
        name: dict(flag.removeprefix("--config.").split("=") for flag in job.arguments[1:])
        for name, job in jobs.items()
    }
    assert next(iter(jobs)) == "rankq"  # the expert comes before those who ask it
    assert {"td3_bc_offline", "td3_bc_online", "td3_bc_online_mix", "td3_bc_offline_to_online"} < set(jobs)
    for name, chosen in fields.items():
        asks, steps = chosen.get("preferences.query_limit"), chosen.get("online.env_steps")
        updates = int(chosen.get("offline.updates", 0))
        if not updates:
            updates = float(chosen["online.updates_per_step"]) * int(steps)
        assert updates == 4000, name
        if name.startswith("oap"):
            assert asks == ("0" if "unlimited" in name else fields["rankq"]["online.env_steps"])
            assert chosen["preferences.expert"] == "{out}/rankq_pointmaze-umaze"
        elif not name.endswith("_offline"):
            assert steps == fields["rankq"]["online.env_steps"]
    assert fields["oap_td3_bc_flipped_30"]["preferences.flipped_answers"] == "0.3"
    assert fields["oap_td3_bc_no_rank_net"]["preferences.rank_net"] == "False"


UMAZE = [
    "sac", "sac_off", "hybrid_rl", "cql", "cql_sac", "cal_ql", "cal_ql_sac", "rankq", "rankq_sac",
    "iql", "td3_bc", "bc", "bc_gaussian", "bc_best10", "awac", "rlpd", "rebrac",
]  # fmt: skip
MEDIUM = [
    "rankq", "rankq_sigma30", "rankq_no_permuted", "rankq_no_chain", "rankq_sac", "sac_off",
    "hybrid_rl", "cql", "cal_ql", "iql",
]  # fmt: skip


def test_the_point_maze_sweep_has_every_arm_on_both_mazes():
    jobs = sweep.read("launch/sweeps/pointmaze.py")
    assert jobs == sweep.read("launch/sweeps/pointmaze.py", "cores")
    names = [f"{name}_pointmaze-umaze" for name in UMAZE] + [f"{name}_pointmaze-medium" for name in MEDIUM]
    assert [job.name for job in jobs] == names
    for job in jobs:
        name, task = job.name.split("_pointmaze")
        fields = dict(flag.removeprefix("--").split("=") for flag in job.arguments)
        assert fields.pop("config") == f"{name}:pointmaze{task}"
        assert fields.pop("config.seeds") == "3"
        fields.pop("config.offline.updates_per_iteration", None)
        phases = {"config.offline.updates", "config.online.env_steps"}
        phases -= {"config.offline.updates"} if name in ("sac", "rlpd") else set()
        phases -= {"config.online.env_steps"} if name in ("bc", "bc_gaussian", "bc_best10") else set()
        assert set(fields) == phases, job.name
    budgets = {
        (job.name.split("-")[1], flag)
        for job in jobs
        for flag in job.arguments
        if "offline.updates=" in flag or "env_" in flag
    }
    assert len(budgets) == 4  # one value of each field in each maze


def test_the_budget_of_the_paper_overrides_only_the_seeds():
    jobs = sweep.read("launch/sweeps/pointmaze.py", "paper")
    assert len(jobs) == len(UMAZE) + len(MEDIUM)
    config = "--config=rankq:pointmaze-umaze,paper"
    assert (config, "--config.seeds=3") in [job.arguments for job in jobs]
    assert all(len(job.arguments) == 2 for job in jobs)


JOB = "from rankq_jax.launch import Job\n"


@pytest.mark.parametrize(
    ("text", "budget", "message"),
    [
        ("", None, "defines no list SWEEP"),
        (JOB + "SWEEP = [Job('a', ()), Job('a', ())]", None, "two jobs are named 'a'"),
        (JOB + "SWEEP = [Job('a', ())]", "paper", "defines no BUDGETS; leave out --budget"),
        (JOB + "BUDGETS = {'cores': [], 'paper': []}", "big", "no budget 'big'; .* of: cores, paper"),
        (JOB + "BUDGETS = {'big': [Job('a', ())]}", None, "no budget 'cores'; .* of: big"),
        ("BUDGETS = ['cores']", "cores", "BUDGETS is not a mapping"),
        (JOB + "SWEEP = [Job('a', ('{out}/b',)), Job('b', ())]", None, "'a' needs 'b'; put that job before"),
        ("SWEEP = 3", None, "not a list of jobs"),
        ("SWEEP = []", None, "not a list of jobs"),
        ("SWEEP = ['a']", None, "not a list of jobs"),
        ("SWEEP = [", None, "fails with SyntaxError"),
        ("SWEEP = job", None, "fails with NameError: name 'job' is not defined"),
    ],
)
def test_files_that_are_no_sweeps(text, budget, message, tmp_path):
    (tmp_path / "sweep.py").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        sweep.read(str(tmp_path / "sweep.py"), budget)
    assert "\n" not in str(caught.value)


def test_a_sweep_file_may_define_both(tmp_path):
    path = tmp_path / "sweep.py"
    path.write_text(
        JOB + "SWEEP = [Job('a', ())]\nBUDGETS = {'cores': [Job('b', ())], 'paper': [Job('c', ())]}"
    )
    found = [[job.name for job in sweep.read(str(path), budget)] for budget in (None, "cores", "paper")]
    assert found == [["a"], ["b"], ["c"]]
