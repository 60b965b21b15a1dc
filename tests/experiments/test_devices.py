import json
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest

from rankq_jax import configs
from rankq_jax.errors import InputError
from rankq_jax.launch import job, record
from rankq_jax.training import build, devices, execution, train
from rankq_jax.training.devices import devices_of
from rankq_jax.training.execution import execution_of
from tests.experiments.going_on import config_of

CONFIG = "rankq:pointmaze-umaze,smoke"


def make(**changes):
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.update_from_flattened_dict(changes)
    return configs.parse(config)


def test_without_overlap_every_device_trains():
    assert devices_of(make()) == (jax.devices(), None)


def test_where_phases_overlap_the_last_cpu_device_acts():
    first, second = jax.devices()
    config = make(**{"online.overlap": True, "seeds": 2})
    assert devices_of(config) == ([first], second)
    built = build.experiment(config)
    assert built.layout.devices == 1 and built.acting == second
    assert [phase.overlap for phase in built.plan] == [False, True]
    assert devices_of(make(**{"online.overlap": True, "execution.acting": "device"})) == (
        [first, second],
        None,
    )


def test_a_platform_decides_what_the_configuration_leaves_open():
    for platform, expected in (
        ("cpu", ("sequential", "unrolled", "within", "host", "between")),
        ("gpu", ("batched", "batched", "before", "host", "beside")),
    ):
        found = execution_of(make().execution, platform)
        assert (found.seeds, found.critics, found.draws, found.acting, found.evaluation) == expected
    assert execution_of(make().execution, "gpu", seeds=1).seeds == "sequential"
    assert execution_of(make(**{"execution.seeds": "batched"}).execution, "gpu", seeds=1).seeds == "batched"
    assert execution_of(make(**{"execution.seeds": "batched"}).execution, "cpu").seeds == "batched"


def test_evaluations_run_beside_updates_where_policies_do_not_wait_for_them(monkeypatch):
    first, second = jax.devices()
    beside = {"execution.evaluation": "beside"}
    assert devices_of(make(**beside)) == ([first], second)
    assert devices.evaluates_beside(make(**beside)) and not devices.evaluates_beside(make())
    assert devices.evaluates_beside(make(**beside, **{"execution.acting": "device"}))  # as was asked for
    monkeypatch.setattr(execution, "CPU", execution.ACCELERATOR)
    assert not devices.evaluates_beside(make())  # policies would act on the device that updates
    assert devices.evaluates_beside(make(**{"online.overlap": True}))
    arm = configs.arm("rankq", "widowx-carrot-on-plate-target,smoke")
    arm.online.overlap = True  # policies have a device of their own, their backbone has not
    assert arm.encoder_training == "cached" and not devices.evaluates_beside(configs.parse(arm))
    with monkeypatch.context() as patch:  # environments of others may not be safe in two threads
        patch.setattr(devices, "task_of", lambda config: SimpleNamespace(exact=False))
        assert not devices.evaluates_beside(make(**{"online.overlap": True}))
        assert devices.evaluates_beside(make(**beside))
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert not devices.evaluates_beside(make(**beside))


@pytest.mark.parametrize("field", ["seeds", "critics", "draws", "acting", "evaluation"])
def test_an_unknown_layout_is_named(field):
    with pytest.raises(InputError, match=rf"^config.execution.{field}: unknown value 'batch'"):
        make(**{f"execution.{field}": "batch"})


def test_a_run_says_on_what_it_trains():
    found = devices.layout(make(**{"execution.critics": "batched", "online.overlap": True}))
    kind = jax.devices()[0].device_kind
    assert devices.line(found) == (
        f"training on 1 x cpu ({kind}), seeds sequential, critics batched, numbers drawn within updates, "
        "acting on host, evaluations between updates"
    )
    assert devices.line(devices.layout(make(**{"execution.acting": "device"}))) == (
        f"training on 2 x cpu ({kind}), seeds sequential, critics unrolled, numbers drawn within updates, "
        "acting on device, evaluations between updates"
    )


@pytest.mark.parametrize("seen", range(len(devices.NVIDIA)))
def test_a_cpu_beside_a_gpu_is_told(seen, monkeypatch, tmp_path):
    places = [tmp_path / str(i) for i in range(len(devices.NVIDIA))]
    monkeypatch.setattr(devices, "NVIDIA", tuple(map(str, places)))
    found = devices.layout(make())
    assert devices.forgotten(found, None) == ""
    places[seen].touch()
    for platforms in (None, "", "cuda,cpu"):
        told = devices.forgotten(found, platforms)
        assert str(places[seen]) in told and "rankq-jax[cuda]" in told
    assert devices.forgotten({**found, "platform": "gpu"}, None) == ""
    assert devices.forgotten(found, "cpu") == ""


class Begins(Exception):
    """A run has been built and would train now."""


def test_the_first_line_and_the_records_of_a_run_have_its_devices(
    tmp_path, capsys, monkeypatch, finished_run
):
    def begin(run):
        raise Begins

    monkeypatch.setattr(train, "train_with_restarts", begin)
    monkeypatch.setattr(devices, "forgotten", lambda found, platforms: f"{found['platform']}, {platforms}?")
    config, folder, told = make(), tmp_path / "run", []
    mine = devices.layout(config)
    file = folder / "config.json"
    for _ in range(2):
        with pytest.raises(Begins):
            train.train(config, folder)
        told.append(capsys.readouterr())
        about = json.loads(file.read_text())
        assert about["devices"] == mine
        before = {name: value for name, value in mine.items() if name not in devices.EARLIER}
        file.write_text(json.dumps({**about, "devices": {**before, "number": 4}}))  # elsewhere, long ago
    for said in told:
        first, second = said.out.splitlines()[:2]
        assert first == devices.line(mine) and second.startswith("data: reading 'task': ")
        assert said.err.startswith("warning: cpu, cpu?\n")
    assert "was training on 4 x cpu" in told[1].err and "was training" not in told[0].err
    for name in ("config.json", "summary.json"):
        assert json.loads((finished_run / name).read_text())["devices"] == devices.layout(config_of())


SAYING = """
import logging
from rankq_jax.cli import command as cli
from orbax.checkpoint import checkpoint_manager
import jax

def main(arguments):
    logging.getLogger("jax._src.xla_bridge").warning("An NVIDIA GPU may be present")
    logging.getLogger("jax._src.xla_bridge").info("nobody asked")
    checkpoint_manager.logging.error("said by the test")
    exec(compile("logging.error('said by orbax')", checkpoint_manager.__file__, "exec"),
         {"logging": checkpoint_manager.logging})
    logging.getLogger("asyncio").error("Task exception was never retrieved")

cli.run(main)
"""


def test_what_jax_warns_of_is_heard_and_what_orbax_tells_is_not():
    result = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    said = [line.partition("] ")[2] for line in result.stderr.splitlines()]
    assert said == ["An NVIDIA GPU may be present", "said by the test"]


@pytest.mark.parametrize(
    ("module", "chosen", "words"),
    [
        ("train", "cuda", "no such device"), ("train", "cdua", "'cdua'"), ("train", "tpu", "'tpu'"),
        ("evaluate", "cdua", "'cdua'"), ("export_policy", "cuda", "no such device"),
    ],
)  # fmt: skip
def test_a_platform_that_is_not_there_is_one_line(module, chosen, words, run_at, tmp_path):
    if chosen == "cuda" and any(map(os.path.exists, devices.NVIDIA)):
        pytest.skip("there is one")
    flags = {
        "train": [f"--config={CONFIG}", f"--workdir={tmp_path / 'other'}"],
        "evaluate": [f"--workdir={tmp_path / 'run'}"],
        "export_policy": [f"--workdir={tmp_path / 'run'}", f"--out={tmp_path / 'p.npz'}"],
    }[module]
    if module != "train":
        run_at((1, 3))
    result = subprocess.run(
        [sys.executable, "-m", f"experiments.{module}", *flags],
        env={**os.environ, "JAX_PLATFORMS": chosen}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: JAX_PLATFORMS={chosen}: ") and words in line
    assert not (tmp_path / "other").exists()


def test_a_launcher_does_not_try_a_platform_that_is_not_there_again(tmp_path):
    one = job.Job("one", (f"--config={CONFIG}",))
    outcome = job.execute(one, tmp_path, {"JAX_PLATFORMS": "cdua"})
    assert outcome.status == 2 and outcome.state == record.FAILED and "JAX_PLATFORMS=cdua" in outcome.error
    assert record.read(tmp_path / "one")["starts"] == 1
