"""What the words of a command line mean, and what somebody who has written them wrongly is told."""

import dataclasses
import textwrap

import pytest

from rankq_jax import configs
from rankq_jax.agents import AGENTS
from rankq_jax.configs import fields
from rankq_jax.configs.arms import ARMS
from rankq_jax.configs.run_config import SHARED
from rankq_jax.errors import InputError

RANKQ = "--config=rankq:pointmaze-umaze"

# The words, with `RANKQ` before those of fields, and what the line of the refusal must have.
MISTAKES = [
    ("", ["--config: missing", "--config=rankq:pointmaze-umaze"]),
    ("--config=", ["--config: missing"]),
    ("--config=rankk:pointmaze-umaze", ["rankk", "Did you mean 'rankq'?"]),
    ("--config=rankk.py:pointmaze-umaze", ["rankk.py", "Did you mean 'rankq'?"]),
    ("--config=experiments/configs/rnkq.py:pointmaze-umaze", ["rnkq.py", "'rankq'?"]),
    ("--config=RankQ:pointmaze-umaze", ["RankQ", "'rankq'?"]),
    ("--config=cal-ql:pointmaze-umaze", ["cal-ql", "'cal_ql'?"]),
    ("--config=td3bc:pointmaze-umaze", ["td3bc", "'td3_bc'?"]),
    ("--config=nowhere/own.py:pointmaze-umaze", ["nowhere/own.py", "No such file"]),
    ("--config=no.such.module:pointmaze-umaze", ["no.such.module"]),
    ("--config=json:pointmaze-umaze", ["json", "get_config"]),
    ("--config=rankq:pointmaze-umase", ["unknown task 'pointmaze-umase'", "'pointmaze-umaze'?"]),
    ("--config=rankq:pointmaze_umaze", ["'pointmaze-umaze'?"]),
    ("--config=rankq:antmaze-umaze", ["unknown task 'antmaze-umaze'", "'antmaze-umaze-play'?"]),
    ("--config=rankq:antmaze-umaze-v2", ["'antmaze-umaze-play'?"]),
    ("--config=rankq:antmaze-medium-diverse-v0", ["'antmaze-medium-diverse'?"]),
    ("--config=rankq:pen-binary-v0", ["'adroit-pen'?"]),
    ("--config=rankq:halfcheetah-medium-v2", ["unknown task", "'halfcheetah-medium'?"]),
    ("--config=rankq:smoke", ["'smoke'", "TASK,smoke"]),
    ("--config=rankq:pointmaze-umaze,smke", ["unknown option 'smke'", "'smoke'?"]),
    ("--config=rankq:pointmaze-umaze,offlin", ["'offline'?"]),
    ("--config=rankq:pointmaze-umaze,papr", ["'paper'?"]),
    ("--config.sigma=0.3", ["config.sigma", "mean --config.rankq.sigma?"]),
    ("--config.lr=1e-3", ["--config.actor_learning_rate", "--config.critic_learning_rate"]),
    ("--config.learning_rate=1e-3", ["--config.actor_learning_rate", "--config.critic_learning_rate"]),
    ("--config.actor_lr=1e-3", ["mean --config.actor_learning_rate?"]),
    ("--config.rankq.sigmo=0.3 --config.seed=0", ["config.rankq.sigmo.", "--config.rankq.sigma?"]),
    ("--config.rnkq.sigma=0.3", ["mean --config.rankq.sigma?"]),
    ("--config.rankq=0.3", ["section", "--config.rankq."]),
    ("--config.gamma=0.9", ["mean --config.discount?"]),
    ("--config.tau=0.01", ["mean --config.rankq.target_rate?"]),
    ("--config.sed=1", ["mean --config.seed?"]),
    ("--config.Seed=1", ["mean --config.seed?"]),
    ("--config.batchsize=3", ["mean --config.batch_size?"]),
    ("--config.critic=3", ["mean --config.critics"]),
    ("--config.hidden=(3,)", ["--config.actor_hidden", "--config.critic_hidden"]),
    ("--config.utd=3", ["mean --config.online.updates_per_step?"]),
    ("--config.buffer_size=3", ["mean --config.replay_capacity?"]),
    ("--config.standardize=True", ["mean --config.normalize_observations?"]),
    ("--config.env_steps=3", ["mean --config.collect.env_steps or --config.online.env_steps?"]),
    ("--config.online.env_step=3", ["mean --config.online.env_steps?"]),
    ("--config.offline.update=3", ["mean --config.offline.updates?"]),
    ("--config.online.mixing=0.3", ["mean --config.online.mixing_ratio?"]),
    ("--config.online.arguments.sigmo=1", ["mean --config.online.arguments.sigma?"]),
    ("--config.expectile=0.9", ["--config.iql.expectile_level"]),
    ("--config.zzz=10", ["config.zzz", "--help"]),
    ("--config.seeds=1.5", ["config.seeds=1.5 must be a whole number"]),
    ("--config.seeds=many", ["config.seeds=many must be a whole number"]),
    ("--config.seeds=0", ["config.seeds=0 must be at least 1"]),
    ("--config.seeds", ["--config.seeds=VALUE"]),
    ("--config.seed=-1", ["config.seed=-1 must be at least 0"]),
    ("--config.rankq.sigma=-0.1", ["config.rankq.sigma=-0.1 must be in (0, 10]"]),
    ("--config.rankq.sigma=nan", ["config.rankq.sigma=nan must be in (0, 10]"]),
    ("--config.rankq.target_rate=3", ["config.rankq.target_rate=3.0 must be in (0, 1]"]),
    ("--config.discount=1", ["config.discount=1.0 must be in"]),
    ("--config.online.overlap=maybe", ["config.online.overlap=maybe must be True or False"]),
    ("--config.actor_hidden=wide", ["config.actor_hidden=wide must be a tuple"]),
    ("--config.actor_hidden=(1.5,)", ["has 1.5, which must be a whole number"]),
    ("--config.parallel=seed", ["'seeds'?"]),
    ("--config.networks=calql", ["'cal_ql'?"]),
    ("--config.execution.seeds=batch", ["'batched'?"]),
    ("--config.online.mixing_ratio=2", ["must be -1 or between 0 and 1"]),
    ("--config.online.algorithm=sca", ["unknown algorithm 'sca'", "'sac'?"]),
    ("--config.algorithm=rnkq", ["unknown algorithm 'rnkq'", "'rankq'?"]),
    ("--config.algorithm=iql", ["--config=iql:TASK"]),
    ("--config.task=antmaze-umaze-play", ["after the colon", "--config=NAME:antmaze-umaze-play"]),
    ("--config.iql.expectile_level=0.8", ["is not read", "config.rankq"]),
    ("--config.preferences.query_limit=3", ["is not read", "nobody is asked"]),
    ("--config.online.mixing_ratio_final=0.3", ["config.online.mixing_anneal=0"]),
]


@pytest.mark.parametrize(("words", "expected"), MISTAKES, ids=[words or "nothing" for words, _ in MISTAKES])
def test_a_mistake_is_one_line_with_the_right_name(words, expected):
    given = words.split()
    if words.startswith("--config."):
        given = [RANKQ, *given]
    with pytest.raises(InputError) as error:
        configs.read(given)
    line = str(error.value)
    assert "\n" not in line and len(line) < 700
    for part in expected:
        assert part in line, line


def test_there_are_sixty_mistakes():
    assert len({words for words, _ in MISTAKES}) >= 60


def test_a_wrong_field_names_only_itself():
    with pytest.raises(InputError) as error:
        configs.read([RANKQ, "--config.rankq.sigmo=0.3", "--config.seed=0"])
    assert "config.seed" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("seeds", "3", 3), ("seeds", "0x10", 16), ("discount", "0.9", 0.9), ("reward_scale", "2", 2.0),
        ("actor_hidden", "(8, 8)", (8, 8)), ("actor_hidden", "8,8", (8, 8)), ("actor_hidden", "[8]", (8,)),
        ("actor_hidden", "()", ()), ("online.overlap", "true", True), ("online.overlap", "0", False),
        ("dataset", "a b,c", "a b,c"), ("name", "1", "1"), ("rankq.sigma", "3e-1", 0.3),
        ("online.arguments.sigma", "0.2", 0.2), ("online.mixing_ratio", "-1", -1.0),
    ],
)  # fmt: skip
def test_a_text_becomes_the_value_of_its_field(field, text, value):
    found = configs.read([RANKQ, f"--config.{field}={text}"])
    assert found.given == (field,)
    assert found.config.flat()[field] == value and type(found.config.flat()[field]) is type(value)


@pytest.mark.parametrize("name", ["rankq_sac", "rankq_sac.py", "experiments/configs/rankq_sac.py"])
def test_a_row_has_several_names_wherever_one_stands(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configs.read([f"--config={name}:pointmaze-umaze"]).config
    assert (config.name, config.algorithm, config.online.algorithm) == ("rankq_sac", "rankq", "sac")


OWN = """
from rankq_jax import configs

def get_config(argument):
    config = configs.get_config(argument, "rankq")
    config.name, config.rankq.sigma = "own", 0.25
    return config
"""


def test_a_file_and_a_module_of_a_user(tmp_path, monkeypatch):
    (tmp_path / "own_arm.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    for name in (tmp_path / "own_arm.py", "own_arm"):
        found = configs.read([f"--config={name}:pointmaze-umaze,smoke", "--config.seeds=2"])
        assert (found.config.name, found.config.sections["rankq"]["sigma"]) == ("own", 0.25)
        assert found.sources["rankq.sigma"].source == f"file {name}"
        assert found.sources["seeds"].source == "command line"
        assert found.sources["batch_size"].source == "word smoke"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("config.rankq.sigma = -1.0", "config.rankq.sigma=-1.0 must be in"),
        ("config.sigma = 0.3", "config.sigma. Did you mean --config.rankq.sigma?"),
        ("config.online.foo = 1", "unknown configuration field config.online.foo."),
        ("config.rankq.sigmo = 1", "Did you mean --config.rankq.sigma?"),
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("return 3", "returns no ConfigDict"),
    ],
)
def test_a_file_of_a_user_is_checked_too(change, message, tmp_path):
    text = "from rankq_jax import configs\ndef get_config(argument):\n"
    text += textwrap.indent(
        f"config = configs.get_config(argument, 'rankq')\n{change}\nreturn config\n", "    "
    )
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(InputError) as error:
        configs.read([f"--config={tmp_path / 'own.py'}:pointmaze-umaze"])
    assert message in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(f"--config={tmp_path / 'own.py'}: ")


def test_a_wrong_value_of_the_command_line_is_not_that_of_the_file(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    words = [f"--config={tmp_path / 'own.py'}:pointmaze-umaze", "--config.rankq.sigma=-1"]
    with pytest.raises(InputError, match=r"^config\.rankq\.sigma=-1\.0 must be"):
        configs.read(words)
    with pytest.raises(InputError, match=r"^config\.iql\.expectile_level: is not read"):
        configs.read([words[0], "--config.iql.expectile_level=0.8"])


def test_a_configuration_cannot_be_changed():
    config = configs.read([RANKQ]).config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seeds = 3
    with pytest.raises(TypeError):
        config.sections["rankq"]["sigma"] = 3.0


def test_lengths_of_a_decay_follow_the_command_line():
    words = ["--config=rebrac:pointmaze-umaze", "--config.offline.updates=3000"]
    words += ["--config.online.env_steps=1000", "--config.online.updates_per_step=0.5"]
    arguments = configs.read(words).config.online.arguments
    assert (arguments["decay_from"], arguments["decay_updates"]) == (3_000, 500.0)


def test_what_is_recorded_is_read_back():
    config = configs.read(["--config=rebrac:antmaze-umaze-play,smoke", "--config.seeds=3"]).config
    assert configs.parse(config.to_dict()) == config
    assert config.to_dict()["rebrac"]["actor_weight"] == 0.003  # sections by name beside the other fields


def test_the_layers_of_values_are_told():
    words = ["--config=rankq_sac:antmaze-umaze-play,paper", "--config.seeds=3"]
    lines = {line.split(" = ")[0]: line for line in configs.show(configs.read(words)).splitlines()}
    assert lines["seeds"].endswith("  command line") and "seeds = 3 " in lines["seeds"]
    assert lines["threads"].endswith("  default")
    assert lines["online.algorithm"].endswith("  arm rankq_sac")
    assert lines["networks"].endswith("  algorithm rankq")
    assert lines["task"].endswith("  task antmaze-umaze-play")
    # With the comments beside the values.
    assert lines["batch_size"].endswith("  domain antmaze: RankQ, table C.1")
    assert lines["rankq.sigma"].endswith("  domain antmaze (rankq): RankQ, sec. 3")
    assert "domain antmaze (paper): RankQ, App. C" in lines["dataset_kind"]


def test_every_field_of_a_configuration_is_described():
    resolved = configs.read(["--config=rankq_sac:pointmaze-umaze"])
    text = configs.describe(resolved)
    for name in [*SHARED, "rankq.sigma", "sac.target_rate"]:
        assert f"--config.{name}=" in text
    assert "--config.iql." not in text
    assert "--config.batch_size=256  (whole number in [1, 2147483647], transitions)" in text
    assert "The number of transitions in a batch, over all devices." in text
    assert "of the noisy actions; the very noisy ones move twice as far." in text


@pytest.mark.parametrize("name", SHARED)
def test_every_field_has_help_a_bound_and_a_default_within(name):
    field = SHARED[name]
    assert field.help.endswith(".") and field.help[0].isupper() and len(field.help) > 10
    assert field.bound is not None and field.bound.refusal(field.default) == ""


@pytest.mark.parametrize("algorithm", AGENTS)
def test_every_argument_has_help_a_bound_and_a_default_within(algorithm):
    for name, field in fields.arguments_of(algorithm).items():
        assert field.help, name
        assert field.bound is not None and field.bound.refusal(field.default) == "", name


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_is_explained_and_names_what_exists(name):
    arm = ARMS[name]
    assert arm.help.endswith(".") and arm.algorithm in AGENTS
    assert configs.parse(configs.arm(name)).name == name
