"""The flags of each command as data, without what the command imports."""

import math
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax.bounds import Interval, OneOf
from rankq_jax.cli.parser import of
from rankq_jax.launch.job import ATTEMPTS

whole, natural, count = (of(Interval(low, integer=True)) for low in (-math.inf, 0, 1))
share = of(Interval(0.0, 1.0))
real, not_negative, inside = of(Interval()), of(Interval(0.0)), of(Interval(0.0, 1.0, above=True, below=True))


class Flag(NamedTuple):
    """A flag, or the words of no flag where its name has no dashes.

    Attributes:
      name: with its dashes.
      help: what it is; of words, what to write.
      how: further arguments of `argparse.ArgumentParser.add_argument`.
    """

    name: str
    help: str
    how: dict[str, Any]


def flag(name: str, help: str, **how: Any) -> Flag:
    """A flag with a value; see `Flag`."""
    return Flag(name, help, how)


def switch(name: str, help: str) -> Flag:
    """A flag without a value."""
    return Flag(name, help, {"action": "store_true"})


IMPORT = flag("--import", "package with agents, tasks or datasets of your own; repeatable",
              dest="imports", action="append", default=[], metavar="MODULE")  # fmt: skip
TRAIN = (
    flag("--workdir", "where results go; a new temporary folder if left out", type=Path),
    flag(
        "--init-from",
        "a run, a file of weights or pretrained:NAME that this one begins with, config.init_from",
        metavar="DIR",
    ),
    switch("--show", "print the resolved values with their sources; train nothing"),
    switch("--accept-changes", "go on in a workdir though its configuration, code or dataset has changed"),
    flag("--coordinator", "of process 0, which the others join", metavar="HOST:PORT"),
    flag("--processes", "how many processes train together", type=whole),
    flag("--process", "which of them this is, from 0", type=whole),
    switch("--distributed", "find the processes by what started them (Slurm, TPU)"),
)
_BEST = switch("--best", "take the checkpoint of the best evaluation, not the newest")
_WEIGHTS = flag("--weights", "in place of --workdir: a file of `rankq export`, or pretrained:NAME",
                metavar="FILE")  # fmt: skip
EVALUATE = (
    flag("--workdir", "folder of the run", type=Path),
    _BEST,
    _WEIGHTS,
    flag("--task", "another task than the run's, with the same observations and actions"),
    flag("--episodes", "per seed; 100 if left out", type=count, default=100),
    flag("--seed", "of the start states, which training evaluations do not use", type=natural, default=0),
    flag("--video", "file for a video of the first seed's first episodes, ending in .gif or .mp4", type=Path),
    flag("--fps", "environment steps that the video shows each second; 25 if left out",
         type=count, default=25),
)  # fmt: skip
CALIBRATE = (
    flag("--workdir", "folder of the run", type=Path),
    _BEST,
    _WEIGHTS,
    flag("--setting", "of the tabletop, e.g. cube-stacking", required=True),
    flag("--variant", "of the world, e.g. randomized; none if left out", default=""),
    flag("--low", "smallest success rate of the band; 0.15 if left out", type=share, default=0.15),
    flag("--high", "largest success rate of the band; 0.25 if left out", type=share, default=0.25),
    flag("--halvings", "of the range of gaps, at most; 6 if left out", type=natural, default=6),
    flag("--episodes", "of an evaluation; 100 if left out", type=count, default=100),
    flag("--seed", "of the start states, the same for every gap", type=natural, default=0),
    flag("--out", "JSON file for the gap and all that was tried", type=Path),
)
EXPORT = (
    flag("--workdir", "folder of the run", type=Path, required=True),
    _BEST,
    flag("--out", "file to write, ending in .npz", type=Path, required=True),
    flag("--seed", "seed of the run whose policy is exported; the first if left out", type=natural),
    switch("--float16", "parameters of a flow policy in half the bytes"),
    flag("--calibration", "JSON file of `rankq calibrate` that the weights of a flow policy keep", type=Path),
)
REPORT = (
    flag("--out", "folder that index.html is written to", type=Path, required=True),
    switch("--film", "add videos of the same 9 starts with the first and the newest policy of each arm"),
    flag("folders", "give the --workdir of one run or of several, or the folder of a sweep",
         nargs="+", type=Path),
)  # fmt: skip
_TABLES = (
    flag("--reference", "run that others are compared with; rankq if left out"),
    flag("--note", "remark under the tables; repeatable", action="append", default=[]),
)
TABLE = (
    flag("--out", "Markdown file", type=Path, required=True),
    flag("--command", "that made the runs; this command if left out", dest="origin"),
    *_TABLES,
    flag("workdirs", "give the --workdir of one run or of several", nargs="+", type=Path),
)
_TASK = flag("--task", "name of the task", required=True)
_FILES = (
    flag("--keys", "names of the observations to join to one vector, e.g. position+velocity", default=""),
    switch("--clip-actions", "clip actions beyond the limits, which are refused otherwise"),
)
READINGS = (
    _TASK,
    flag("--dataset", "names or paths of its sources, comma-separated", required=True),
    *_FILES,
)
MAKE = (
    _TASK,
    flag("--kind", "way of making it; the task's first if left out", default=""),
    flag("--steps", "transitions; the task's default if left out", type=count),
    flag("--seed", "of starts, goals and action noise", type=natural, default=0),
    flag("--processes", "that work at once on large datasets; 0: one for each core", type=natural, default=0),
)
INSPECT = (
    *READINGS,
    flag("--reading", "how it is labeled, see docs/datasets.md", default="task"),
    flag("--reward-scale", "factor of the raw reward; the task's if left out", type=real),
    flag("--reward-bias", "added to the scaled reward; the task's if left out", type=real),
    flag("--discount", "per environment step", type=inside, default=0.99),
    flag("--out", "folder that index.html is written to", type=Path),
    flag("--picture", "PNG file: the coverage of a maze, images, else the distributions", type=Path),
    flag("--reference", "dataset whose state-action pairs are the whole (SACo)"),
    flag("--bins", "per dimension, by which state-action pairs are told apart", type=count, default=10),
    flag("--minimal-return", "of a minimal policy (TQ); 0 in a sparse task", type=real),
    flag("--best-return", "of the best policy (TQ); 1 in a sparse task", type=real),
    flag("--random-episodes", "episodes of uniformly random actions", type=natural, default=0),
    flag("--seed", "of the random episodes", type=natural, default=0),
)
CONVERT = (
    flag("--from", "files, folders, Minari names, with commas between; of a --workdir its replay",
         dest="source", required=True),
    flag("--to", "file to write: .npz, .hdf5 or .h5", dest="target", type=Path, required=True),
    flag("--format", "d4rl, arrays or ogbench; arrays in .npz, d4rl in .hdf5 if left out", dest="layout"),
    flag("--resolve", "what a row with a terminal and a timeout is: terminal, timeout",
         type=of(OneOf(("terminal", "timeout")))),
    flag("--observation-size", "of the task; 29 makes vectors of Minari's AntMaze dictionaries", type=count),
    *_FILES,
)  # fmt: skip
SWEEP = (
    flag("sweep", "give the file of a sweep, which defines SWEEP or BUDGETS"),
    flag("--out", "folder of the workdirs; runs/NAME for NAME.py if left out", type=Path),
    flag("--budget", "name in BUDGETS; cores where there is no SWEEP"),
    flag("--pack", "seeds of a process at most; 0: all of a job; as it is in --out already if left out",
         type=natural),
)  # fmt: skip
_STARTING = (
    *SWEEP,
    flag("--attempts", f"crashes after which a job is given up; {ATTEMPTS} if left out",
         type=count, default=ATTEMPTS),
    switch("--accept-changes",
           "go on with jobs whose configuration, code, versions or dataset have changed since they began"),
)  # fmt: skip
_MINUTES = flag(
    "--minutes", "after which every job writes a checkpoint and stops; never if left out", type=count
)
LOCAL = (
    *_STARTING,
    flag("--parallel", "jobs at the same time; one per GPU, or 1, if left out", type=count),
    flag("--gpus", "numbers of the GPUs to use, e.g. 0,1; handed out in turn", default=""),
    flag("--cores", "cores of each job, its own; 0: not pinned", type=natural, default=0),
    _MINUTES,
)
RAY = (
    *_STARTING,
    flag("--address", "of a cluster, or auto; a local Ray is started if left out"),
    flag("--cpus-per-job", "CPUs that a job occupies", type=not_negative, default=1.0),
    flag("--gpus-per-job", "GPUs of a job, or a fraction of one", type=not_negative, default=0.0),
)
SLURM = (
    *_STARTING,
    flag("--partition", "the cluster's default if left out"),
    flag("--gpus-per-job", "GPUs that a job occupies", type=natural, default=0),
    flag("--cpus-per-job", "CPUs that a job occupies", type=count, default=1),
    flag("--memory", "of a job, e.g. 16GB; the cluster's default if left out"),
    flag("--minutes", "time limit; what is not done is requeued", type=count, default=60),
    flag("--setup", "shell line run before; repeatable", action="append", default=[]),
    flag("--sbatch", "NAME=VALUE for sbatch; repeatable", action="append", default=[]),
    switch("--no-watch", "submit, show the table and end"),
    flag("--poll", "seconds between looks at the queue", type=not_negative, default=10.0),
)
STATUS = (*SWEEP, switch("--json", "a list of states for scripts"))
RESULTS = (
    *_STARTING,
    flag("--table", "Markdown file that is written", type=Path, required=True),
    _MINUTES,
    flag("--carry", "folder that machines hand on: what is done there counts, what is begun there goes on "
         "here; repeatable, the first one is written to", type=Path, action="append", default=[]),
    *_TABLES,
)  # fmt: skip
