"""Compiled programs are kept between commands, and nobody notices but by the clock."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankq_jax.cli import compilation
from rankq_jax.writers import read_lines

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ["-m", "experiments.train", "--config=experiments/configs/td3_bc.py:pointmaze-umaze,smoke"]
SHORT = ["--config.offline.updates=20", "--config.online.env_steps=600", "--config.train_envs=1"]


def python(arguments, **environment):
    """A command of a user who has set nothing of JAX's cache but what is given."""
    own = {name: value for name, value in os.environ.items() if "_CACHE_" not in name} | environment
    command = [sys.executable, "-W", "ignore", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=300)


def without_seconds(value):
    if isinstance(value, dict):
        return {k: without_seconds(inner) for k, inner in value.items() if "seconds" not in k}
    return value


def results(folder):
    lines = [read_lines(folder / name) for name in ("metrics.jsonl", "evaluations.jsonl")]
    return [without_seconds(line) for file in lines for line in file], without_seconds(
        json.loads((folder / "summary.json").read_text())
    )


def test_a_run_with_kept_programs_gives_the_same_numbers_and_compiles_nothing(tmp_path):
    programs = []
    for name in ("cold", "warm"):
        done = python(
            [*TRAIN, *SHORT, f"--workdir={tmp_path / name}"],
            XDG_CACHE_HOME=str(tmp_path),
            JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",  # else those near the limit come and go
        )
        assert done.returncode == 0, done.stderr
        for word in ("warning", "error", "cache", "machine"):
            assert word not in done.stderr.lower()
        programs.append(sorted((tmp_path / "rankq_jax" / "xla").glob("*-cache")))
    assert len(programs[0]) > 5 and programs[0] == programs[1]
    assert results(tmp_path / "cold") == results(tmp_path / "warm")


@pytest.mark.parametrize(
    ("environment", "folder", "limit"),
    [
        ({"XDG_CACHE_HOME": "{here}/xdg"}, "{here}/xdg/rankq_jax/xla", 2 * 2**30),
        ({"HOME": "{here}", "XDG_CACHE_HOME": ""}, "{here}/.cache/rankq_jax/xla", 2 * 2**30),
        ({"HOME": "{here}", "XDG_CACHE_HOME": "relative"}, "{here}/.cache/rankq_jax/xla", 2 * 2**30),
        ({"JAX_COMPILATION_CACHE_DIR": "{here}/named", "XDG_CACHE_HOME": "{here}"}, "{here}/named", -1),
        ({"JAX_ENABLE_COMPILATION_CACHE": "false", "XDG_CACHE_HOME": "{here}"}, "None", -1),
    ],
)
def test_where_programs_are_kept(environment, folder, limit, tmp_path):
    code = "import jax; from rankq_jax.cli.compilation import keep_programs; keep_programs(); c = jax.config;"
    code += "print(c.jax_compilation_cache_dir, c.jax_compilation_cache_max_size)"
    done = python(["-c", code], **{k: v.format(here=tmp_path) for k, v in environment.items()})
    assert done.stdout.split() == [folder.format(here=tmp_path), str(limit)] and not done.stderr
    made = [str(path) for path in tmp_path.rglob("xla")]
    assert made == ([folder.format(here=tmp_path)] if limit > 0 else [])


def test_a_home_that_cannot_be_written_to_costs_one_line(tmp_path):
    (tmp_path / "file").touch()
    command = ["-m", "experiments.evaluate", f"--workdir={tmp_path / 'none'}"]
    done = python(command, XDG_CACHE_HOME=str(tmp_path / "file"))
    lines = [line for line in done.stderr.splitlines() if "matplotlib" not in line]  # it wants a folder too
    assert done.returncode == 2 and len(lines) == 2 and lines[1].startswith("error: ")
    assert lines[0].startswith("warning: compiled programs are not kept (") and "Not a directory" in lines[0]


def test_what_an_interrupted_run_left_half_written_goes(tmp_path):
    for name in ("whole-cache", "whole-atime", "half-cache"):
        (tmp_path / name).write_bytes(b"x")
    compilation.prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*-*")) == ["whole-atime", "whole-cache"]


def test_a_command_that_does_not_import_jax_does_not_wait_for_it():
    code = "import sys; from rankq_jax.cli.compilation import keep_programs; keep_programs(); "
    code += "sys.exit('jax' in sys.modules)"
    assert python(["-c", code]).returncode == 0
