"""Agents, tasks and configurations of a package outside the repository."""

import sys
from pathlib import Path

import pytest

from rankq_jax import registry
from rankq_jax.agents import AGENTS, sac
from rankq_jax.errors import InputError
from rankq_jax.networks import FAMILIES
from rankq_jax.tasks import TASKS, find

PLUGINS = Path(__file__).resolve().parents[1] / "examples"
PACKAGES = ["own_agent", "own_environment"]


@pytest.fixture
def outside(monkeypatch, registrations):
    """The package, importable; what it registers is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    yield
    for name in [name for name in sys.modules if name in PACKAGES]:
        del sys.modules[name]


def test_a_package_registers_what_it_has_when_it_is_imported(outside):
    assert "margin_q" not in AGENTS
    assert registry.load_plugins(PACKAGES) == PACKAGES
    assert registry.load_plugins(PACKAGES) == PACKAGES  # and once more does nothing
    assert AGENTS["margin_q"].columns == ("success",) and AGENTS["margin_q"].networks == "cal_ql"
    spec = find("own-line").spec
    assert (spec.observation_size, spec.action_size, spec.horizon) == (2, 1, 25)
    config = registry.CONFIGS["margin_q_wide"]("own-line,smoke")
    assert (config.algorithm, config.task, config.margin_q.margin) == ("margin_q", "own-line", 5.0)


def test_names_that_are_taken_are_refused(outside):
    for register, thing in (
        (registry.register_agent, AGENTS["sac"]._replace(columns=("success",))),
        (registry.register_task, TASKS["pointmaze-umaze"]._replace(domain="other")),
        (lambda preset: registry.register_networks("iql", preset), FAMILIES["td3"]),
    ):
        with pytest.raises(ValueError, match=r"belongs to another .*; choose another name"):
            register(thing)
    assert registry.register_agent(AGENTS["sac"]) is AGENTS["sac"]  # the same again does nothing
    with pytest.raises(ValueError, match="agent 'my-agent': the name must be a Python identifier"):
        registry.register_agent(registry.AgentSpec("my-agent", sac))


def test_a_module_that_is_missing_or_takes_a_name_is_refused_in_one_line(outside, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    taking = "from rankq_jax import registry, tasks\n"
    taking += "registry.register_task(tasks.find('pointmaze-umaze')._replace(domain='x'))\n"
    (tmp_path / "taking_a_name.py").write_text(taking)
    (tmp_path / "lacking_another.py").write_text("import no_such_module_at_all\n")
    with pytest.raises(InputError, match="module 'no_such_package': cannot be imported; install it"):
        registry.load_plugins(["no_such_package"])
    for wrong in ("./own_agent", "own_agent.py", "/tmp/own_agent.py"):
        with pytest.raises(InputError, match=r"is no name of a module; write own_agent"):
            registry.load_plugins([wrong])
    with pytest.raises(InputError, match="module 'taking_a_name': task 'pointmaze-umaze': the name belongs"):
        registry.load_plugins(["taking_a_name"])
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):  # a bug keeps its traceback
        registry.load_plugins(["lacking_another"])
    assert registry.imports() == []


def test_a_registered_format_is_read_by_the_suffix_of_a_file(outside, tmp_path):
    from rankq_jax.data import sources

    episodes = TASKS["pointmaze-umaze"].generators["waypoints"].make(300, 0, 1, lambda steps: None)

    @registry.register_dataset_format(".walk")
    def read(path):
        assert path.name == "some.walk"
        return episodes

    assert sources.load_one(str(tmp_path / "some.walk")) is episodes
