"""Two fake CPU devices, strict shapes, and small networks that every test can share."""

import os
import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

import pytest

# Programs of the tests are compiled often and run briefly: compiling without optimisation halves the
# time of the suite. Read by XLA when jax is imported, and by the commands that tests start.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
# Later versions refuse a flag that they no longer know.
os.environ["XLA_FLAGS"] += (
    " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    if metadata.version("jaxlib").startswith("0.10.")
    else ""
)

os.environ["JAX_PLATFORMS"] = "cpu"

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # raised inside a dependency of distrax
    import distrax  # noqa: F401

import jax
import optax

from rankq_jax import registry
from rankq_jax.agents import AGENTS, Optimizers
from rankq_jax.networks import FAMILIES, Networks
from rankq_jax.tasks import TASKS
from rankq_jax.testing.cases import ACTION_SIZE, random_batch
from rankq_jax.types import Agent, Transition

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")

# Many tests compile the same program, the initialisation of the networks above all. The commands that tests
# start use the folder too, so that nothing is written below the home of whoever runs them. It belongs to one
# process of pytest alone, because JAX does not lock it.
_cache = tempfile.TemporaryDirectory(prefix="rankq_jax-test-cache-")  # removed at exit
os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
jax.config.update("jax_compilation_cache_dir", _cache.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

BATCH = 8


@pytest.fixture
def registrations():
    """What a test registers is forgotten when it ends."""
    known = (AGENTS, TASKS, FAMILIES, registry.CONFIGS, registry.FORMATS)
    before = [dict(mapping) for mapping in known]
    yield
    for mapping, entries in zip(known, before, strict=True):
        mapping.clear()
        mapping.update(entries)
    registry._imports.clear()


@pytest.fixture(scope="session", autouse=True)
def minari_root(tmp_path_factory: pytest.TempPathFactory):
    """Datasets of the tests lie below a temporary folder."""
    root = tmp_path_factory.mktemp("minari")
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(root)
    yield root
    if before is None:
        del os.environ["MINARI_DATASETS_PATH"]
    else:
        os.environ["MINARI_DATASETS_PATH"] = before


@pytest.fixture(scope="module", autouse=True)
def programs():
    """Compiled programs go with the module that made them: those of the whole suite take 10 GB."""
    yield
    jax.clear_caches()


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(7)


# What the contract of an agent is tested with where its defaults would be slow or need more.
# The conservative agents have a fixed weight, as on the hand tasks: with a multiplier they settle later.
ARGUMENTS = {"rlpd": {"critic_updates": 2}, "cql": {"lagrange": False}, "cal_ql": {"lagrange": False}}
SIZES = {"actor_hidden": (16,), "critic_hidden": (16, 16)}


def make_agent(
    name: str,
    link: optax.GradientTransformation | None = None,
    rule=optax.adam,
    sizes: Mapping[str, Any] = MappingProxyType(SIZES),
) -> Agent:
    """A registered agent on tiny networks of its own family."""
    networks, optimizers = make_parts(link, rule, AGENTS[name].networks, sizes)
    return AGENTS[name].make(networks, optimizers, **ARGUMENTS.get(name, {}))


def make_parts(
    link: optax.GradientTransformation | None = None,
    rule=optax.adam,
    family: str = "cal_ql",
    sizes: Mapping[str, Any] = MappingProxyType(SIZES),
) -> tuple[Networks, Optimizers]:
    """Tiny networks and their optimizers; `link` is put at the head of every chain, before `rule`."""
    optimizer = optax.chain(*([] if link is None else [link]), rule(1e-3))
    networks = FAMILIES[family](ACTION_SIZE, **sizes)
    return networks, Optimizers(actor=optimizer, critic=optimizer, value=optimizer, dual=optimizer)


def make_batch(seed: int = 0, rows: int = BATCH) -> Transition:
    """Random transitions, half of them of successful trajectories."""
    return random_batch(seed, rows)


@pytest.fixture
def batch() -> Transition:
    return jax.tree.map(jax.numpy.asarray, make_batch())
