"""What is installed: one top-level package with all of its data, whose command works from another folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SWEEP = """
from rankq_jax.launch import product

SWEEP = product(("rankq",), tasks=("pointmaze-umaze,smoke",), seeds=1)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel installs, beside nothing of the checkout."""
    made = tmp_path_factory.mktemp("wheel")
    for name in ("rankq_jax", "pyproject.toml", "README.md", "LICENSE", "experiments", "launch"):
        (made / name).symlink_to(ROOT / name)
    folder = tmp_path_factory.mktemp("installed")
    # The parts of `bdist_wheel`, which needs a package that not every environment has.
    words = ["build", f"--build-lib={folder}", "egg_info", f"--egg-base={folder}"]
    code = f"import setuptools; setuptools.setup(script_args={words!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=made, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def run(installed, cwd, *words):
    """What pip writes for `[project.scripts]`, in an environment without the checkout."""
    code = "import sys; from rankq_jax.cli.main import main; sys.exit(main())"
    paths = [str(installed), *(path for path in sys.path if "site-packages" in path)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-S", "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=400)


def test_the_wheel_holds_one_package_and_its_data(installed):
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".egg-info")}
    assert tops == {"rankq_jax"}
    ours = {path.relative_to(ROOT) for path in (ROOT / "rankq_jax").rglob("*") if path.is_file()}
    ours = {path for path in ours if "__pycache__" not in path.parts}
    theirs = {path.relative_to(installed) for path in (installed / "rankq_jax").rglob("*") if path.is_file()}
    assert theirs == ours
    (scripts,) = installed.glob("*.egg-info/entry_points.txt")
    assert "rankq = rankq_jax.cli.main:main" in scripts.read_text()


def test_the_installed_command_works_from_another_folder(installed, tmp_path):
    (tmp_path / "sweep.py").write_text(SWEEP)
    done = run(installed, tmp_path, "sweep", "local", "sweep.py")
    assert done.returncode == 0, done.stdout + done.stderr
    workdir = tmp_path / "runs" / "sweep" / "rankq_pointmaze-umaze_smoke"
    assert '"git_commit": "unknown"' in (workdir / "config.json").read_text()
    config = "--config=rankq.py:pointmaze-umaze,smoke"
    done = run(installed, tmp_path, "train", config, "--config.seeds=1", f"--workdir={workdir}")
    assert done.returncode == 0 and "finished already" in done.stdout, done.stderr
    done = run(installed, tmp_path, "evaluate", f"--workdir={workdir}", "--episodes=2")
    assert done.returncode == 0 and "seed 0: success rate" in done.stdout, done.stderr
    assert not (tmp_path / "rankq_jax").exists()
