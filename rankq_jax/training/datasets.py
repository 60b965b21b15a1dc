"""The dataset of a configuration, made on first use."""

from tqdm import tqdm

from rankq_jax.agents import reads
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.data import readings
from rankq_jax.data.sources import minari
from rankq_jax.tasks import Task, datasets, training_data
from rankq_jax.training import build
from rankq_jax.types import Transition


def make(task: Task, steps: int, seed: int, kind: str = "", processes: int = 0) -> str:
    """Generates a dataset with a progress bar; returns its Minari name.

    Raises:
      InputError: as `tasks.datasets.make_dataset`.
    """
    about = f"making {task.name} data"  # drawn late, so that a refusal stands on a line of its own
    with tqdm(total=steps, unit="step", desc=about, dynamic_ncols=True, delay=0.2) as bar:
        # Rows run in step, so a few more steps are taken than are kept.

        def progress(taken: int) -> None:
            bar.update(min(taken, steps - bar.n))

        return datasets.make_dataset(task, steps, seed, progress, kind, processes)


def load(config: RunConfig, task: Task) -> tuple[str, Transition]:
    """Name and transitions of `described`; its arguments and errors."""
    return described(config, task)[:2]


def described(config: RunConfig, task: Task) -> tuple[str, Transition, readings.Summary | None]:
    """Name and transitions of `config.dataset`, or of the task's own dataset, made if it is missing.

    The third value is what the transitions hold, None where no dataset is needed.

    Raises:
      InputError: if the dataset is missing, damaged or does not fit the task.
    """
    name = config.dataset
    online = config.online
    needed = config.offline.updates or online.mixing_ratio or online.mixing_anneal or config.standardise
    # Experts learn online alone; other tasks keep their dataset's name, by which arms are compared.
    if not name and not needed and (task.success is None or not task.generators):
        return "", build.example(config, task), None  # gives the shapes; no batch draws from it
    if not name:
        own = (config.dataset_steps, config.dataset_seed)
        name = datasets.dataset_name(task, *own, config.dataset_kind)
        if not minari.exists(name):
            make(task, *own, config.dataset_kind)
    transform = build.reward_transform(config, task)
    reading = config.dataset_reading
    ranks = any(reads(name, "success") for name in algorithms_of(config))
    found = training_data.described(
        task,
        name,
        transform,
        config.discount,
        config.keep_best,
        reading,
        needs_success=ranks,
        keys=config.dataset_keys,
        clip_actions=config.clip_actions,
    )
    return name, *found
