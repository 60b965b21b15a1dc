"""Command lines that are wrong: status 2, one line, and what was meant."""

import subprocess
import sys

import pytest

from rankq_jax.cli import command as cli
from rankq_jax.cli import main, train
from rankq_jax.cli.parser import HELP
from rankq_jax.training import stopping

# ml_collections loads files in a way that Python 3.12 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

CONFIG = "--config=rankq:pointmaze-umaze,smoke"
RUN = "--workdir=nowhere"
WRONG = {
    f"train {CONFIG} --seed=3": "unknown flag --seed. Did you mean '--config.seed'?",
    f"train {CONFIG} --seeds=3": "Did you mean '--config.seeds'?",
    f"train {CONFIG} --seeds 3": "Did you mean '--config.seeds'?",
    f"train {CONFIG} --lr=1e-3": "'--config.actor_learning_rate' or '--config.critic_learning_rate'?",
    f"train {CONFIG} --learning-rate=1e-3": "'--config.actor_learning_rate' or",
    f"train {CONFIG} --batch_size=64": "Did you mean '--config.batch_size'?",
    f"train {CONFIG} --gamma=0.9": "Did you mean '--config.discount'?",
    f"train {CONFIG} --sigma=0.3": "Did you mean '--config.rankq.sigma'?",
    f"train {CONFIG} --offline.updates=3": "Did you mean '--config.offline.updates'?",
    f"train {CONFIG} --env-steps=3": "mean '--config.collect.env_steps' or '--config.online.env_steps'?",
    f"train {CONFIG} --dataset=x": "Did you mean '--config.dataset'?",
    f"train {CONFIG} --workdri=x": "unknown flag --workdri. Did you mean '--workdir'?",
    f"train {CONFIG} --out=x": "Did you mean '--workdir'?",
    f"train {CONFIG} --logdir=x": "Did you mean '--workdir'?",
    f"train {CONFIG} -workdir=x": "Did you mean '--workdir'?",
    f"train {CONFIG} --accept-change": "Did you mean '--accept-changes'?",
    f"train {CONFIG} --accept_changes=yes": "--accept-changes: takes no value",
    f"train {CONFIG} --config.readout=men": "Did you mean 'mean'? It must be one of flat, mean, last",
    f"train {CONFIG} --config.readout=mean": "config.networks=cal_ql leaves it without effect",
    f"train {CONFIG} --processes=two": "--processes=two: must be a whole number",
    "train --env=pointmaze-umaze": "--config=NAME:pointmaze-umaze",
    "train --task=pointmaze-umaze": "--config=NAME:pointmaze-umaze",
    "train --algo=rankq": "--config=rankq:TASK",
    "train pointmaze-umaze": "write --config=NAME:pointmaze-umaze",
    "train rankq": "write --config=rankq:TASK",
    "train rankq:pointmaze-umaze": "write --config=rankq:pointmaze-umaze",
    "train antmaze-umaze": "antmaze-umaze-play, antmaze-umaze-diverse",
    "train pointmase-umaze": "write --config=NAME:pointmaze-umaze",
    f"train {CONFIG} seeds=3": "write --config.seeds=3",
    f"train {CONFIG} lr=3": "write --config.actor_learning_rate=3",
    "train": "--config: missing; give --config=NAME:TASK",
    "train --config=rankq:antmaze-umaze": "'antmaze-umaze-diverse' or 'antmaze-umaze-play'",
    "train --config=rankq:nowhere": "task 'nowhere'. Known: ",
    "train --config=rankq:pointmaze-umase": "mean 'pointmaze-umaze'? --import=PACKAGE adds",
    "train --config=rankqq:pointmaze-umaze": "mean 'rankq'? --import=PACKAGE adds those of a package",
    f"train {CONFIG} --config.algorithm=rnkq": "mean 'rankq'? --import=PACKAGE adds those of a package",
    "dataset make --task=nowhere": "--import=PACKAGE adds those of a package, register_task one of your own.",
    f"train {CONFIG} workdir=x": "unexpected argument 'workdir=x'; write --workdir=x.",
    f"train {CONFIG} --import=./own": "module './own': is no name of a module; write own",
    f"train {CONFIG} --import=no_such_package": "module 'no_such_package': cannot be imported",
    "evaluate": "--workdir: missing, and --weights too; give one of them",
    "evaluate --workdir": "--workdir: takes a value",
    f"evaluate {RUN} --episode=3": "Did you mean '--episodes'?",
    f"evaluate {RUN} --num_episodes=3": "Did you mean '--episodes'?",
    f"evaluate {RUN} --episodes=0": "--episodes=0: must be at least 1",
    f"evaluate {RUN} --episodes=1.5": "--episodes=1.5: must be a whole number",
    f"evaluate {RUN} --seed=-1": "--seed=-1: must be at least 0",
    f"evaluate {RUN} --config.seeds=2": "reads the configuration from the workdir",
    "evaluate --weights=x.npz --config.seeds=2": "from the workdir or from the weights; only arguments",
    "calibrate --weights=x.npz --setting=cube-stacking --config.seeds=2": (
        "--config.seeds: `rankq calibrate` reads the configuration from the workdir or from the weights; lea"
    ),
    f"export {RUN} --out=x.npz --config.seeds=2": "reads the configuration from the workdir; leave it out",
    "dataset make --task=pointmaze-umaze --config.seeds=2": "`rankq dataset make` reads no configuration; le",
    "evaluate nowhere": "unexpected argument 'nowhere'",
    "evaluate workdir=nowhere": "write --workdir=nowhere",
    f"export {RUN}": "--out: missing",
    "report nowhere": "--out: missing",
    "report --out=x": "--workdir of one run or of several, or the folder of a sweep",
    "dataset make": "--task: missing",
    "dataset make --task=pointmaze-umaze --step=5": "Did you mean '--steps'?",
    "dataset make --env=pointmaze-umaze": "Did you mean '--task'?",
    "dataset inspect --task=pointmaze-umaze --dataset=x --discount=1": "--discount=1: must be in (0, 1)",
    "dataset inspect --task=pointmaze-umaze --dataset=x --reward-scale=nan": "--reward-scale=nan: must be",
    "dataset convert --from=x --to=nowhere/c.hdf5": "nowhere/c.hdf5: its folder does not exist; make it",
    "dataset convert --from=x --to=c.npz --resolve=timeouts": "--resolve: unknown value 'timeouts'. Did you",
    "sweep plan": "give the file of a sweep",
    "sweep plan tests": "tests: is a folder; give the file of the sweep",
    "sweep local launch/sweeps/smoke.py --paralel=2": "Did you mean '--parallel'?",
    "sweep local launch/sweeps/smoke.py --jobs=2": "Did you mean '--parallel'?",
    "sweep local launch/sweeps/smoke.py --pack=-1": "--pack=-1: must be at least 0",
    "sweep slurm launch/sweeps/smoke.py --minutes=0": "--minutes=0: must be at least 1",
    "sweep results launch/sweeps/smoke.py --table=LICENSE/x.md": "--table=LICENSE/x.md: no file can lie",
    "sweep ray nothing.py --address=127.0.0.1:1": "--address=127.0.0.1:1: no Ray cluster answers",
    "sweep lokal x": "unknown command 'sweep lokal'. Did you mean 'rankq sweep local'?",
    "trian": "unknown command 'trian'. Did you mean 'rankq train'?",
    "make_dataset": "Did you mean 'rankq dataset make'?",
    "export_policy": "Did you mean 'rankq export'?",
    "status launch/sweeps/smoke.py": "Did you mean 'rankq sweep status'?",
}


class Ended(Exception):
    """The process would have."""


@pytest.fixture
def ended(monkeypatch, capsys):
    """`(status, stdout, stderr)` of a command line, in this process."""

    def end(message, status):
        print(message, file=sys.stderr)
        raise Ended(status)

    monkeypatch.setattr(stopping, "end", end)

    def run(*words):
        try:
            status = cli.run(main.execute, words)
        except Ended as error:
            status = error.args[0]
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_is_one_line(line, ended):
    status, out, error = ended(*line.split())
    assert status == 2 and out == "" and error.count("\n") == 1, error
    assert error.startswith("error: ") and WRONG[line] in error, error


@pytest.mark.parametrize("line", ["", "--help", "help", "sweep", "sweep --help", "dataset", *(
    f"{name} {flag}" for name in main.COMMANDS for flag in HELP if name != "train"
)])  # fmt: skip
def test_help_is_no_error(line, ended):
    status, out, error = ended(*line.split())
    assert (status, error) == (0, "") and out.startswith("usage: rankq")
    assert "verbosity" not in out  # of absl


def test_the_help_of_training_lists_every_field(ended):
    status, out, _ = ended("train", "--config=iql:pointmaze-umaze", "--help")
    assert status == 0 and "--workdir" in out
    for field in ("seeds", "iql.expectile", "offline.updates", "online.env_steps", "execution.seeds"):
        assert f"{field}" in out


def test_what_a_run_would_have_is_shown_and_nothing_is_trained(ended, tmp_path):
    status, out, error = ended("train", CONFIG, "--config.seed=7", "--show", f"--workdir={tmp_path / 'w'}")
    assert (status, error) == (0, "")
    (line,) = [line for line in out.splitlines() if line.startswith("seed ")]
    assert line.split() == ["seed", "=", "7", "command", "line"]
    assert not (tmp_path / "w").exists()


def test_a_task_that_nobody_has_named_is_told(capsys, monkeypatch):
    class Begun(Exception):
        pass

    def begin(config):
        raise Begun(config.task)

    monkeypatch.setattr(train.devices, "spare", begin)
    line = "task: expert-ant, because none is named; --config=NAME:TASK names one\n"
    for words, told in ((["--config=expert"], line), (["--config=expert:expert-ant"], "")):
        with pytest.raises(Begun, match="expert-ant"):
            train.main(main.parser("train").read(words))
        assert capsys.readouterr().out == told


def test_one_style_of_flags_and_both_are_read():
    for words in (["--accept-changes"], ["--accept_changes"]):
        assert main.parser("train").read(words).accept_changes
    values = main.parser("dataset inspect").read(
        ["--task=a", "--dataset=b", "--reward_scale=2", "--minimal-return", "-1"]
    )
    assert (values.reward_scale, values.minimal_return) == (2.0, -1.0)
    values = main.parser("train").read(
        ["--config", "rankq:x", "--config.seeds", "4", "--config.online.overlap"]
    )
    assert values.words == ["--config=rankq:x", "--config.seeds=4", "--config.online.overlap"]


def test_an_error_that_nobody_foresaw_keeps_its_traceback(ended):
    def main(words):
        raise error

    for error in (
        RuntimeError("a bug"),
        KeyError("success"),
        OSError("no file has to do with it"),
        ValueError("x"),
    ):
        with pytest.raises(type(error)):
            cli.run(main, [])


def test_a_file_that_cannot_be_written_is_named(ended):
    def main(words):
        open("/proc/no.npz", "w")

    with pytest.raises(Ended):
        cli.run(main, [])


HEAVY = {"jax", "numpy", "absl", "ml_collections", "mujoco", "matplotlib"}
QUICK = "import sys; from rankq_jax.cli.main import execute; execute({words!r}); print(sorted(sys.modules))"


@pytest.mark.parametrize(
    "words", [["--help"], ["evaluate", "--help"], ["sweep", "status", "launch/sweeps/smoke.py"]]
)
def test_light_commands_import_nothing_heavy(words):
    done = subprocess.run(
        [sys.executable, "-c", QUICK.format(words=words)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = set(eval(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY


FAILING = """
import sys
from rankq_jax.cli.main import execute
try:
    execute({words!r})
except ValueError as error:
    print(error)
print(sorted(sys.modules))
"""


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--setting=cubes"], "--setting='cubes': choose one of carrot-on-plate, cube-stacking, spoon-in-b"),
        (
            ["--variant=far"],
            "--variant='far': choose one of grid, randomized, source, simpler, target, randomized-heldout.",
        ),
        (["--low=0.5"], "--low=0.5: is above --high=0.25; exchange them."),
        (["--low=0.25"], "--low=0.25: is --high too;"),
        (["--high=1.5"], "--high=1.5: must be at most 1."),
        (["--out=nowhere/gap.json"], "--out=nowhere/gap.json: its folder does not exist; make it."),
    ],
)
def test_a_wrong_calibration_is_refused_before_anything_heavy(flags, error):
    words = ["calibrate", "--weights=nothing.npz", "--setting=cube-stacking", *flags]
    command = [sys.executable, "-c", FAILING.format(words=words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said, loaded = done.stdout.splitlines()
    assert said.startswith(error) and not set(eval(loaded)) & HEAVY
