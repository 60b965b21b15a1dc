"""Where the backbone of a run comes from that encodes each observation once, and what it is put before."""

from pathlib import Path

import jax
import numpy as np

from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.exporting import by_name
from rankq_jax.tasks.encoded import encoded, encoded_rows
from rankq_jax.trained_policies import Weights, save_weights
from rankq_jax.trained_policies.weights import digest_of
from rankq_jax.training import encoding, processes, restore, weights
from rankq_jax.training.agents import networks_of
from rankq_jax.training.build import Experiment
from rankq_jax.training.source import read_source
from rankq_jax.training.workdir import SOURCE, shared
from rankq_jax.types import Transition
from rankq_jax.writers import write_json


def put_before(
    config: RunConfig, folder: Path, built: Experiment, recorded: Transition
) -> tuple[Experiment, Transition]:
    """An experiment whose environments encode what they see, and its training data encoded.

    The backbone is that of `config.init_from`. It is written to the folder once, before the first checkpoint:
    what goes on with the run reads it there. Where nothing is cached both stay as they are.

    Args:
      config: of the run.
      folder: of the run, claimed.
      built: what the configuration describes.
      recorded: training data with observations as they were recorded.

    Raises:
      InputError: if the backbone cannot be read, or does not fit the configuration.
    """
    if not encoding.is_cached(config):
        return built, recorded
    with processes.first_alone("the backbone is there"):
        if processes.first() and not any((folder / "checkpoints").glob("*")):
            _write(config, folder)
        params = jax.device_put(encoding.stored(config, folder), _place(built))
    networks = networks_of(config, built.recorded.spec)
    own = encoding.encoding_of(networks, params)
    return built._replace(task=encoded(built.recorded, own)), encoded_rows(recorded, own)


def _place(built: Experiment) -> jax.Device:
    """Where observations are encoded: beside the updates, unless another device of their kind acts."""
    first, acting = jax.local_devices()[0], built.acting
    return acting if acting is not None and acting.platform == first.platform else first


def _write(config: RunConfig, folder: Path) -> None:
    """Writes what `config.init_from` gives to encode with, and its digest beside what it comes from."""
    other, theirs = read_source(config, folder), Path(config.init_from).expanduser()
    found = other if isinstance(other, Weights) else weights.parameters_of(other, theirs)
    own = encoding.own_parameters(config, found.parameters)
    if not isinstance(other, Weights) and config.init_parts == "all":
        # Its critics come along, and see actions beside those of the policy that it has begun with.
        own = jax.tree.map(np.asarray, by_name(encoding.stored(restore.recorded(theirs), theirs)))
    try:
        save_weights(found._replace(parameters=own), folder / encoding.FILE)
        source = shared(folder) / SOURCE
        about = results.read_json(source)
        write_json(source, {**about, "backbone": digest_of(own)})
    except OSError as error:
        raise InputError(f"{folder / encoding.FILE}: cannot be written ({error.strerror}).") from error
