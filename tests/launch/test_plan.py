"""What a sweep consists of, before anything runs."""

from tests.launch import launching

SWEEP = """
from rankq_jax.launch import Job, product
SWEEP = [*product(("a", "b.py"), tasks=("x,smoke",), seeds=4), Job("c", ("--expert={out}/a_x_smoke",))]
"""


def test_the_jobs_with_seeds_states_and_command_lines(tmp_path):
    launching.fake_checkout(tmp_path)
    (tmp_path / "sweep.py").write_text(SWEEP)
    done = launching.launch("launch.plan", "sweep.py", "--pack=3", "--out=o", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "a_x_smoke: seeds 0 to 3, queued",
        "  python -m rankq_jax.cli train --config=a:x,smoke --config.seed=0 "
        "--config.seeds=4 --workdir=o/a_x_smoke",
        "b_x_smoke_seeds0-2: seeds 0 to 2, queued",
        "  python -m rankq_jax.cli train --config=b.py:x,smoke --config.seed=0 --config.seeds=3 "
        "--workdir=o/b_x_smoke_seeds0-2",
        "b_x_smoke_seed3: seed 3, queued",
        "  python -m rankq_jax.cli train --config=b.py:x,smoke --config.seed=3 --config.seeds=1 "
        "--workdir=o/b_x_smoke_seed3",
        "c: seeds of the configuration, queued, after a_x_smoke",
        "  python -m rankq_jax.cli train --expert=o/a_x_smoke --workdir=o/c",
        "4 jobs in o",
    ]
    assert not (tmp_path / "o").exists()


def test_the_folder_is_named_after_the_file(tmp_path):
    done = launching.launch("launch.plan", "launch/sweeps/smoke.py", cwd=launching.ROOT)
    assert done.stdout.endswith("4 jobs in runs/smoke\n")


def test_a_file_that_is_no_sweep(tmp_path):
    done = launching.launch("launch.plan", "nothing.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: nothing.py: cannot be read (No such file or directory).\n"
