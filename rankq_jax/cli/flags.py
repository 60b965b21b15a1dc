"""The flags of each command, without what the command imports."""

from pathlib import Path

from rankq_jax.cli.parser import Parser, not_negative, of, real, whole
from rankq_jax.launch.job import ATTEMPTS


def train(parser: Parser) -> None:
    """Adds the flags of `rankq train`."""
    add = parser.add_argument
    parser.usage = "rankq train --config=NAME:TASK[,WORD] [--config.FIELD=VALUE ...] [--workdir=DIR] ..."
    parser.description = (
        f"{parser.description}\n\n"
        "--config=NAME:TASK[,WORD] names a configuration and a task, e.g. rankq:pointmaze-umaze,smoke;\n"
        "--config.FIELD=VALUE changes a field, any number of times."
    )
    add("--workdir", type=Path, help="where results go; a new temporary folder if left out")
    add("--show", action="store_true", help="print the resolved values with their sources; train nothing")
    text = "go on in a workdir though its configuration, code or dataset has changed"
    add("--accept-changes", action="store_true", help=text)
    add("--coordinator", metavar="HOST:PORT", help="of process 0, which the others join")
    add("--processes", type=whole(), help="how many processes train together")
    add("--process", type=whole(), help="which of them this is, from 0")
    text = "find the processes by what started them (Slurm, TPU)"
    add("--distributed", action="store_true", help=text)


def _run(parser: Parser) -> None:
    parser.add_argument("--workdir", type=Path, required=True, help="folder of the run")
    text = "take the checkpoint of the best evaluation, not the newest"
    parser.add_argument("--best", action="store_true", help=text)


def evaluate(parser: Parser) -> None:
    """Adds the flags of `rankq evaluate`."""
    _run(parser)
    parser.add_argument("--episodes", type=whole(1), default=100, help="per seed; 100 if left out")
    text = "of the start states, which training evaluations do not use"
    parser.add_argument("--seed", type=whole(0), default=0, help=text)


def export(parser: Parser) -> None:
    """Adds the flags of `rankq export`."""
    _run(parser)
    parser.add_argument("--out", type=Path, required=True, help="file to write, ending in .npz")
    text = "seed of the run whose policy is exported; the first if left out"
    parser.add_argument("--seed", type=whole(0), help=text)


def report(parser: Parser) -> None:
    """Adds the flags of `rankq report`."""
    parser.add_argument("--out", type=Path, required=True, help="folder that index.html is written to")
    expected = "give the --workdir of one run or of several, or the folder of a sweep"
    parser.positional("folders", expected, nargs="+", type=Path)


def table(parser: Parser) -> None:
    """Adds the flags of `rankq table`."""
    parser.add_argument("--out", type=Path, required=True, help="Markdown file")
    parser.add_argument("--command", dest="origin", help="that made the runs; this command if left out")
    _tables(parser)
    expected = "give the --workdir of one run or of several"
    parser.positional("workdirs", expected, nargs="+", type=Path)


def _tables(parser: Parser) -> None:
    parser.add_argument("--reference", help="run that others are compared with; rankq if left out")
    text = "remark under the tables; repeatable"
    parser.add_argument("--note", action="append", default=[], help=text)


def _task(parser: Parser, dataset: bool = True) -> None:
    parser.add_argument("--task", required=True, help="name of the task")
    if dataset:
        text = "names or paths of its sources, comma-separated"
        parser.add_argument("--dataset", required=True, help=text)


def make(parser: Parser) -> None:
    """Adds the flags of `rankq dataset make`."""
    _task(parser, dataset=False)
    add = parser.add_argument
    add("--kind", default="", help="way of making it; the task's first if left out")
    add("--steps", type=whole(1), help="transitions; the task's default if left out")
    add("--seed", type=whole(0), default=0, help="of starts, goals and action noise")
    text = "that work at once on large datasets; 0: one for each core"
    add("--processes", type=whole(0), default=0, help=text)


def inspect(parser: Parser) -> None:
    """Adds the flags of `rankq dataset inspect`."""
    _task(parser)
    add = parser.add_argument
    add("--reading", default="task", help="how it is labelled, see docs/datasets.md")
    add("--reward-scale", type=real(), help="factor of the raw reward; the task's if left out")
    add("--reward-bias", type=real(), help="added to the scaled reward; the task's if left out")
    text = "per environment step"
    add("--discount", type=real("between 0 and 1", lambda value: 0 < value < 1), default=0.99, help=text)
    add("--out", type=Path, help="folder that index.html is written to")
    add("--picture", type=Path, help="PNG file: the coverage of a maze, else the distributions")
    add("--reference", help="dataset whose state-action pairs are the whole (SACo)")
    text = "per dimension, by which state-action pairs are told apart"
    add("--bins", type=whole(1), default=10, help=text)
    add("--minimal-return", type=real(), help="of a minimal policy (TQ); 0 in a sparse task")
    add("--best-return", type=real(), help="of the best policy (TQ); 1 in a sparse task")
    add("--random-episodes", type=whole(0), default=0, help="episodes of uniformly random actions")
    add("--seed", type=whole(0), default=0, help="of the random episodes")


def convert(parser: Parser) -> None:
    """Adds the flags of `rankq dataset convert`."""
    add = parser.add_argument
    text = (
        "file, folder, Minari name or --workdir of a run, of which the replay is taken; with commas between"
    )
    add("--from", dest="source", required=True, help=text)
    add("--to", dest="target", type=Path, required=True, help="file to write: .npz, .hdf5 or .h5")
    text = "d4rl, arrays or ogbench; arrays in .npz, d4rl in .hdf5 if left out"
    add("--format", dest="layout", help=text)
    text = "what a row with a terminal and a timeout is: terminal, timeout"
    add("--resolve", type=of(("terminal", "timeout")), help=text)
    text = "of the task; 29 makes vectors of Minari's AntMaze dictionaries"
    add("--observation-size", type=whole(1), help=text)


def readings(parser: Parser) -> None:
    """Adds the flags of `rankq dataset readings`."""
    _task(parser)


def sweep(parser: Parser) -> None:
    """Adds the flags of every command about a sweep."""
    parser.positional("sweep", "give the file of a sweep, which defines SWEEP or BUDGETS")
    add = parser.add_argument
    add("--out", type=Path, help="folder of the workdirs; runs/NAME for NAME.py if left out")
    add("--budget", help="name in BUDGETS; cores where there is no SWEEP")
    text = "seeds of a process at most; 0: all of a job; as it is in --out already if left out"
    add("--pack", type=whole(0), help=text)


def _starting(parser: Parser) -> None:
    sweep(parser)
    text = f"crashes after which a job is given up; {ATTEMPTS} if left out"
    parser.add_argument("--attempts", type=whole(1), default=ATTEMPTS, help=text)
    text = "go on with jobs whose configuration, code, versions or dataset have changed since they began"
    parser.add_argument("--accept-changes", action="store_true", help=text)


def local(parser: Parser) -> None:
    """Adds the flags of `rankq sweep local`."""
    _starting(parser)
    add = parser.add_argument
    add("--parallel", type=whole(1), help="jobs at the same time; one per GPU, or 1, if left out")
    add("--gpus", default="", help="numbers of the GPUs to use, e.g. 0,1; handed out in turn")
    add("--cores", type=whole(0), default=0, help="cores of each job, its own; 0: not pinned")


def ray(parser: Parser) -> None:
    """Adds the flags of `rankq sweep ray`."""
    _starting(parser)
    add = parser.add_argument
    add("--address", help="of a cluster, or auto; a local Ray is started if left out")
    add("--cpus-per-job", type=not_negative, default=1.0, help="CPUs that a job occupies")
    add("--gpus-per-job", type=not_negative, default=0.0, help="GPUs of a job, or a fraction of one")


def slurm(parser: Parser) -> None:
    """Adds the flags of `rankq sweep slurm`."""
    _starting(parser)
    add = parser.add_argument
    add("--partition", help="the cluster's default if left out")
    add("--gpus-per-job", type=whole(0), default=0, help="GPUs that a job occupies")
    add("--cpus-per-job", type=whole(1), default=1, help="CPUs that a job occupies")
    add("--memory", help="of a job, e.g. 16GB; the cluster's default if left out")
    add("--minutes", type=whole(1), default=60, help="time limit; what is not done is requeued")
    add("--setup", action="append", default=[], help="shell line run before; repeatable")
    add("--sbatch", action="append", default=[], help="NAME=VALUE for sbatch; repeatable")
    add("--no-watch", action="store_true", help="submit, show the table and end")
    add("--poll", type=not_negative, default=10.0, help="seconds between looks at the queue")


def status(parser: Parser) -> None:
    """Adds the flags of `rankq sweep status`."""
    sweep(parser)
    parser.add_argument("--json", action="store_true", help="a list of states for scripts")


def results(parser: Parser) -> None:
    """Adds the flags of `rankq sweep results`."""
    _starting(parser)
    parser.add_argument("--table", type=Path, required=True, help="Markdown file that is written")
    _tables(parser)
