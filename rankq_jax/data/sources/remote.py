"""Minari datasets of others, fetched by Minari itself, all or nothing."""

import contextlib
import os
import re
import socket
import sys
import urllib.request
from importlib.util import find_spec
from urllib.parse import urlsplit

import minari

from rankq_jax import files
from rankq_jax.data.sources.containers import cause
from rankq_jax.data.sources.root import dataset_folder, minari_root, settle
from rankq_jax.errors import InputError

_ID = re.compile(r"([-\w]+/)*[-\w]+-v\d+")
_TASK = re.compile(r"([a-z][a-z0-9]*(-[a-z0-9]+)+)/")  # datasets of this project are named TASK/...-vN
_SECONDS = 5.0


def download(dataset_id: str) -> None:
    """Fetches a dataset that is not on disk into Minari's root.

    It is fetched below a temporary folder of the same root and renamed when it is complete, so that an
    interruption leaves nothing under the final name.

    Args:
      dataset_id: Minari name.

    Raises:
      InputError: if the name is none, or the dataset cannot be fetched; says what was tried.
    """
    if not _ID.fullmatch(dataset_id):
        raise InputError(
            f"{dataset_id}: no such dataset; give a file (.hdf5, .h5, .npz), a Minari folder (with "
            "data/metadata.json) or a Minari name such as namespace/name-v0."
        )
    final = dataset_folder(dataset_id)
    root = final.parents[dataset_id.count("/")]
    try:
        _check_connection()
        with files.staging(root) as staged:
            # Minari tells on stdout what it does, and stdout belongs to the results of commands.
            with minari_root(staged), contextlib.redirect_stdout(sys.stderr):
                minari.download_dataset(dataset_id)
            settle(staged, dataset_id, final)
    except Exception as error:  # of Minari, of whatever library it downloads with, or of the disk
        task = _TASK.match(dataset_id)
        own = f" (make one by `rankq dataset make --task={task[1]}`)" if task else ""
        raise InputError(
            f"{dataset_id}: no such dataset below {root}{own}, and downloading it through Minari failed: "
            f"{cause(error)}"
        ) from error


def _check_connection() -> None:
    """Fails at once where there is no network: the libraries below Minari would try for half a minute."""
    service = os.environ.get("MINARI_REMOTE", "hf://").split("://")[0]
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if service != "hf" or find_spec("huggingface_hub") is None or urllib.request.getproxies():
        return  # without its library Minari says at once what to install
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"{host} cannot be reached ({error.strerror or error})") from error
