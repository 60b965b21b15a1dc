"""Fuzzes the overrides of a configuration, on the command line and in a file.

python -m tests.fuzz.overrides --overrides=1500 --seed=0

Each draw is parsed as the training command parses it, and built. It must end in a refusal of one line, or in
a run whose values `field_values` allows. Then `--training` of those that are accepted train.
"""

import argparse
import collections
import math
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rankq_jax import configs
from rankq_jax.configs.arms import ARMS
from rankq_jax.errors import InputError, NumericsError
from rankq_jax.training import build, memory, train
from tests.fuzz.field_values import FIELDS

FILES = sorted(set(ARMS) - {"expert"})
PATIENCE = 10  # seconds of work for a draw, on a machine that may have other work too
TRAINING = 240  # for a training
ALIEN = (
    "nan", "inf", "-inf", "-1", "0", "1", "-0.5", "1.5", "1e400", "-1e30", "1e9", "1e-300", "1000000000",
    str(10**12), str(10**30), "-" + "9" * 40, "9" * 5000, "many", "True", "False", "None", "''", "()", "(1,)",
    "(1, 2)", "(1, 'a')", "('a', 'b')", "(inf,)", "(nan, 8)", "(0, 8)", "(1.5,)", "(1000000000,)", "((1,),)",
    "[]", "{}", "1,2", "0x10", "1_000",
)  # fmt: skip
TASKS = ("pointmaze-umaze", "pointmaze-umaze", "pointmaze-medium", "antmaze-umaze-play", "adroit-pen")


class Hang(Exception):
    """A draw took too long."""


def _alarm(number, frame):
    raise Hang


def patient(seconds):
    """Raises `Hang` after so many seconds of work of this process, or twenty times as many by the clock."""
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _alarm)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 20 * seconds)


def drawn_value(draw, field):
    values = FIELDS[field]
    pool = draw.choice((values.inside, values.inside, values.edges, ALIEN))
    return str(draw.choice(pool))


def drawn(draw):
    """A file, what follows its colon, the fields that are given, and whether a file gives them."""
    name = draw.choice(FILES)
    task = draw.choice(
        ("pointmaze-umaze", "pointmaze-umaze", "pointmaze-medium", "antmaze-umaze-play", "adroit-pen")
    )
    argument = task + (",smoke" if draw.random() < 0.8 else "")
    own = [field for field in FIELDS if field.startswith(f"{name.split('_sac')[0]}.")]
    count = draw.choice((1, 1, 2, 3))
    fields = [
        draw.choice(own) if own and draw.random() < 0.4 else draw.choice(sorted(FIELDS)) for _ in range(count)
    ]
    given = {field: drawn_value(draw, field) for field in fields}
    return name, argument, given, draw.random() < 0.3


def _python(text):
    """A value of a file that is written as `text` on the command line."""
    try:
        return eval(
            text, {"__builtins__": {}}, {"nan": math.nan, "inf": math.inf, "True": True, "False": False}
        )
    except Exception:  # whatever is no literal is a string
        return text


FILE = """
import math
from rankq_jax import configs
nan, inf = math.nan, math.inf

def get_config(argument):
    config = configs.arm({name!r}, argument)
    config.update_from_flattened_dict({given!r})
    return config
"""


def arguments(case, folder):
    """The words of the command line."""
    name, argument, given, by_file = case
    if not by_file:
        changes = (f"--config.{field}={text}" for field, text in given.items())
        return [f"--config={name}:{argument}", *changes]
    path = Path(folder) / "fuzzed.py"
    path.write_text(FILE.format(name=name, given={field: _python(text) for field, text in given.items()}))
    return [f"--config={path}:{argument}"]


def configured(words):
    """The configuration as the training command reads it, checked and built."""
    config = configs.read(words).config
    memory.check(config, build.experiment(config))
    return config


def resolved(config, field):
    return config.flat()[field]


def outcome(case, folder):
    """`refused`, `accepted`, `outside`, `traceback` or `hang`, what it says, and the configuration."""
    patient(PATIENCE)
    try:
        config = configured(arguments(case, folder))
    except InputError as error:
        line = " ".join(str(error).split())
        named = any(part in line for field in case[2] for part in (field, field.rpartition(".")[2]))
        named = named or any(text in line for text in case[2].values() if len(text) > 2)  # or its value
        return ("refused" if named else "unnamed"), line, None
    except Hang:
        return "hang", "", None
    except Exception:  # what this looks for
        return "traceback", traceback.format_exc(), None
    finally:
        patient(0)
    wrong = [f for f in case[2] if not FIELDS[f].fits(resolved(config, f))]
    if case[0] == "rlpd" and config.sections["rlpd"]["subset"] > config.critics:
        wrong.append("rlpd.subset of fewer critics")
    return ("outside", ", ".join(wrong), config) if wrong else ("accepted", "", config)


def brief(config):
    """Whether a run of it is one of seconds."""
    offline, online, section = config.offline, config.online, config.sections.get(config.algorithm, {})
    dispatches = online.env_steps * online.updates_per_step
    return (
        config.task.startswith("pointmaze") and offline.updates <= 100
        and max(config.collect.env_steps, online.env_steps) <= 2_000
        and dispatches <= 100 and config.evaluation_episodes <= 10 and config.batch_size <= 256
        and config.critics <= 10 and config.seeds <= 4 and config.train_envs <= 4
        and config.dataset_steps in (12_000, 3_000) and config.dataset_seed == 0 and not config.dataset
        and max((1, *config.actor_hidden, *config.critic_hidden)) <= 64
        and max(section.get(n, 1) for n in ("samples", "backup_samples")) <= 50
        and section.get("critic_updates", 1) <= 20
        and config.preferences.rank_net_epochs <= 10 and config.threads <= 8
    )  # fmt: skip


def trained(config, folder):
    """Status of a training, and its last line: 0, 2 or 3; anything else is a fault."""
    patient(TRAINING)
    try:
        train.train(config, Path(folder))
        return 0, ""
    except (InputError, NumericsError) as error:
        return error.exit_status, " ".join(str(error).split())
    except Hang:
        return -1, "hangs"
    except Exception:  # what this looks for
        return 1, traceback.format_exc()
    finally:
        patient(0)


FAULTS = ("traceback", "hang", "outside", "unnamed")


def fuzz(draws, seed, training=0, tell=lambda *words: None):
    """Counts by outcome, and `(case, what it says)` of the faults."""
    draw = random.Random(seed)
    counts, faults, candidates, slowest = collections.Counter(), [], [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, draws + 1):
            case, start = drawn(draw), time.process_time()
            kind, said, config = outcome(case, folder)
            slowest = max(slowest, time.process_time() - start)
            counts[kind] += 1
            if kind in FAULTS:
                faults.append((kind, case, said))
                tell(kind, case, said)
            if kind == "accepted" and brief(config):
                candidates.append((case, config))
            if number % 100 == 0:
                tell(f"{number} draws: {dict(counts)}")
        for number, (case, config) in enumerate(draw.sample(candidates, min(training, len(candidates)))):
            status, said = trained(config, Path(folder) / f"run{number}")
            counts[f"trained, status {status}"] += 1
            if status not in (0, 2, 3):
                faults.append(("training", case, said))
            tell("trained", status, case, said if status else "")
    return counts, faults, slowest


def main():
    """Entry point."""
    parser = argparse.ArgumentParser(description="Fuzzes overrides of configurations.")
    parser.add_argument("--overrides", type=int, default=1500, help="draws")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--training", type=int, default=25, help="accepted draws that are trained")
    given = parser.parse_args()
    counts, faults, slowest = fuzz(
        given.overrides, given.seed, given.training, lambda *words: print(*words, flush=True)
    )
    print(f"seed {given.seed}, {given.overrides} overrides: {dict(counts)}, slowest {slowest:.1f} s")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
