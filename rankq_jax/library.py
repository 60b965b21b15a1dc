"""What a program calls: tasks and datasets by name, a run with a workdir, and policies as files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax import configs, tasks
from rankq_jax.analysis import results
from rankq_jax.bounds import OneOf, refuse, refuse_type
from rankq_jax.configs import RunConfig
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.sources import minari
from rankq_jax.errors import InputError
from rankq_jax.exporting import to_numpy
from rankq_jax.lifting import jit_act
from rankq_jax.loop import Run
from rankq_jax.specs import seen
from rankq_jax.tasks import Task, stored_data, training_data
from rankq_jax.tasks.datasets import dataset_name, default_steps
from rankq_jax.trained_policies import load_weights as read_weights
from rankq_jax.trained_policies import located
from rankq_jax.trained_policies import save_policy as write_policy
from rankq_jax.training import datasets
from rankq_jax.training.acting import with_arguments
from rankq_jax.training.train import finished
from rankq_jax.training.train import train as train_config
from rankq_jax.training.weights import as_restored
from rankq_jax.types import Episodes, Transition


def make_task(name: str, keys: str = "") -> Task:
    """The task of a name: `pointmaze-umaze`, `gym:Pendulum-v1`, `gym:PACKAGE:ENV-v0`, or `data:FILE`.

    A task of a dataset has its sizes, and no environment: it is trained on offline.

    Args:
      name: the name of the task.
      keys: the observations of `data:FILE` that are joined to one vector, e.g. `"position+velocity"`.

    Raises:
      InputError: if no task has the name; says which name is near.
    """
    return tasks.find(name, keys)


def load_dataset(
    task: Task,
    dataset: str | Path | Episodes | Mapping[str, np.ndarray] | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
    discount: float = 0.99,
    transform: RewardTransform | None = None,
    reading: str = "task",
    keep_best: float = 1.0,
    storage: str = "memory",
    keys: str = "",
    clip_actions: bool = False,
) -> Transition:
    """The training data of a task, as numpy arrays `[N, ...]`.

    Args:
      task: what the data is labeled for.
      dataset: Minari names, folders and files, with commas between; recorded `Episodes`; arrays by the names
        of D4RL (`observations [N, O]`, `actions [N, A]`, `rewards [N]`, `terminals [N]`, `timeouts [N]`).
        None takes the task's own dataset, which is made on first use.
      steps: the number of transitions of the task's own dataset; None takes the task's default.
      seed: the seed of the task's own dataset.
      discount: the discount factor per environment step.
      transform: the scale and bias of rewards; None takes the task's.
      reading: the labeling scheme, a name of `rankq_jax.data.readings.READINGS`.
      keep_best: the share of the trajectories that is kept, those with the highest return, in (0, 1].
      storage: `memory`, or `disk` for mapped files: each source must fit into memory, not all of them.
      keys: the observations that are joined to one vector, where a dataset names several, e.g.
        `"position+velocity"`.
      clip_actions: whether actions beyond the limits are clipped to them; otherwise they are refused.

    Raises:
      InputError: if the dataset is missing, damaged, breaks a rule or does not fit the task.
      TypeError: if the task is given by its name.
      ValueError: if the storage is unknown, or `disk` is asked for arrays or a share of the trajectories.
    """
    refuse_type("task", task, Task, "give make_task(NAME)")
    refuse("storage", storage, OneOf(("memory", "disk")))
    if storage == "disk" and (keep_best < 1.0 or isinstance(dataset, Episodes | Mapping)):
        raise ValueError("storage='disk': give names or paths, and keep_best=1")
    if dataset is None:
        size = default_steps(task) if steps is None else steps
        dataset = dataset_name(task, size, seed)
        if not minari.exists(dataset):
            datasets.make(task, size, seed)
    source = str(dataset) if isinstance(dataset, Path) else dataset
    transform = transform or task.transform
    chosen: Any = {"keys": keys, "clip_actions": clip_actions}
    if storage == "memory" or not isinstance(source, str):
        return training_data.load(task, source, transform, discount, keep_best, reading, **chosen)
    return stored_data.described(task, source, transform, discount, reading, **chosen)[0]


def train(
    config: RunConfig | str | Sequence[str], workdir: str | Path, *, accept_changes: bool = False
) -> dict[str, Any]:
    """Trains a configuration in a folder, with records and checkpoints, as `rankq train` does.

    A run that was stopped or killed continues from its newest checkpoint, bit for bit.

    Args:
      config: what to train: `"rankq:pointmaze-umaze,smoke"`, the words of a configuration
        (`["--config=rankq:pointmaze-umaze", "--config.seeds=4"]`), or a `RunConfig`. Packages with agents or
        tasks are imported before (`load_plugins`).
      workdir: the folder of the run.
      accept_changes: whether to continue though configuration, code or dataset have changed.

    Returns:
      The summary, which is also in `summary.json`.

    Raises:
      InputError: if the configuration, the dataset or the folder is wrong, or the disk is full.
      NumericsError: if training diverges.
    """
    if not isinstance(config, RunConfig):
        config = configs.read([f"--config={config}"] if isinstance(config, str) else list(config)).config
    folder = Path(workdir)
    if finished(config, folder, accept_changes):
        return results.read_json(folder / "summary.json")
    return train_config(config, folder, accept=accept_changes)


def save_policy(run: Run, path: str | Path, seed: int | None = None) -> None:
    """Writes the greedy policy of a run as a file that `load_policy` reads without JAX.

    The file holds all that acting needs: weights, observation statistics and the squashing into [-1, 1].

    Args:
      run: a run, at any event.
      path: the file, ending in `.npz`.
      seed: the seed whose policy is written; None takes the first.

    Raises:
      InputError: if the policy is no perceptron with ReLU, by itself or behind the encoder `cnn`, the run has
        no such seed, or the file cannot have this name.
    """
    target = Path(path)
    if target.suffix != ".npz" or not target.parent.is_dir():
        raise InputError(f"{target}: must end in .npz, in a folder that exists.")
    agent, progress = run.phases[min(run.state.progress.phase, len(run.phases) - 1)].agent, run.state.progress
    provenance = {"updates": progress.updates, "env_steps": progress.env_steps}
    params, task = agent.params(run.state.agent), run.task
    write_policy(to_numpy(agent, params, run.setup.seeds, seed, task.spec, task.name, provenance), target)


def load_weights(
    path: str | Path, *, task: str | None = None, arguments: Mapping[str, Any] | None = None
) -> Callable[[Any], np.ndarray]:
    """The greedy policy of a file that `rankq export` has written of a flow policy, computed by JAX.

    Args:
      path: the file, or `pretrained:NAME` for one that the package comes with.
      task: the task that the networks are built for; None takes that of the file.
      arguments: other values of arguments of its algorithm, e.g. `{"steps": 1}` for one step of integration.

    Returns:
      `observation [n, *O] -> action [n, A]` in [-1, 1]; each new n is compiled once.

    Raises:
      InputError: if the file is damaged, or what it holds does not fit the task or the arguments.
    """
    found = read_weights(located(str(path)))
    given = {f"{found.algorithm}.{name}": str(value) for name, value in (arguments or {}).items()}
    restored = with_arguments(as_restored(found, task), given)
    step, key = jit_act(restored.agent.act_greedy), jax.random.key(0)[None]

    def policy(observation: Any) -> np.ndarray:
        grouped = jax.tree.map(lambda leaf: np.asarray(leaf)[None], observation)
        return np.asarray(step(restored.params, seen(grouped), key, np.int32(0)))[0]

    return policy
