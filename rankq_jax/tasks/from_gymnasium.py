"""A task of any environment of gymnasium, by its name or from a function that makes it."""

import difflib
import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, get_args

import gymnasium
import numpy as np

from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs.gymnasium_envs import Source, Vectorization, gymnasium_env
from rankq_jax.errors import InputError, one_line
from rankq_jax.specs import TaskSpec
from rankq_jax.tasks.gymnasium_arguments import unknown_argument
from rankq_jax.tasks.gymnasium_specs import action_spec, horizon_of, observation_spec
from rankq_jax.tasks.task import Task

PREFIX = "gym:"  # begins the names of tasks that are nothing else than a name of gymnasium
DENSE = RewardTransform(scale=1.0, bias=0.0, failure=None)
Make = Callable[[], gymnasium.Env]


def from_gymnasium(
    id_or_callable: str | Callable[[], gymnasium.Env],
    *,
    name: str | None = None,
    horizon: int | None = None,
    vectorization: Vectorization = "sync",
    success: str | Callable[[np.ndarray], np.ndarray] | None = None,
    rewards: tuple[float, float] | None = None,
    transform: RewardTransform | None = None,
    domain: str = "mujoco",
    arguments: Mapping[str, Any] | None = None,
) -> Task:
    """A task of an environment of gymnasium.

    Its actions are a `Box` with limits, its observations a `Box` or a `Dict` of them; types stay as they are,
    images uint8. Actions in [-1, 1] are scaled to the limits. The environments cannot be saved: a run that is
    resumed begins its running episodes again, and loses nothing else.

    Args:
      id_or_callable: the name of an environment, `"Pendulum-v1"` or `"PACKAGE:ENV-v0"`, where the package is
        imported first; or a function that makes a new environment at every call.
      name: the name of the task; None takes `gym:` and the name of the environment, or of the function.
      horizon: the time limit, in steps; None takes the environment's own.
      vectorization: `"sync"` steps all environments in this process, `"async"` in several processes. The
        numbers are the same. A script needs `if __name__ == "__main__":` for several processes.
      success: the key of `info` that says whether the task is solved, or a function of next observations
        `[n, *O] -> [n]` bool; None: the return is what counts.
      rewards: the raw reward of a failing and of a successful step, where the reward is nothing else than
        success. Recorded data is then labeled by the function `success`.
      transform: the scale and bias of rewards; None leaves them as they are.
      domain: the domain whose hyper-parameters are the defaults.
      arguments: further arguments of `gymnasium.make`.

    Raises:
      InputError: if there is no such environment, something is not installed, or its actions or observations
        cannot be learned from; one line with what to do.
    """
    if vectorization not in get_args(Vectorization):
        raise InputError(f"vectorization={vectorization!r}: must be 'sync' or 'async'.")
    if rewards is not None and not callable(success):
        raise InputError(f"rewards={rewards}: give a function success of observations, which labels data.")
    shown = name or _name_of(id_or_callable)
    if horizon is not None and horizon < 1:
        raise InputError(f"horizon={horizon}: {shown} must have a time limit of at least one step.")
    given = dict(arguments or {})
    if given and not isinstance(id_or_callable, str):
        raise InputError(f"arguments={given}: are for names; let the function give them.")
    make, limited = _makes(id_or_callable, horizon, given)
    drawing, drawing_limited = _makes(id_or_callable, horizon, {**given, "render_mode": "rgb_array"})
    first = _first(make, shown)
    try:
        spec = TaskSpec(
            observation_spec(first.observation_space, shown),
            action_spec(first.action_space, shown),
            horizon_of(first, horizon, shown),
        )
    finally:
        first.close()
    sparse = callable(success) and rewards is not None
    failure = rewards[0] if rewards is not None else None
    return Task(
        name=shown,
        domain=domain,
        environment=functools.partial(gymnasium_env, Source(make, spec, success, vectorization, limited)),
        transform=transform or DENSE._replace(failure=failure),
        success=success if callable(success) and sparse else None,
        rewards=rewards or (0.0, 0.0),
        exact=False,
        tells_success=success is not None,
        drawn=functools.partial(gymnasium_env, Source(drawing, spec, success, "sync", drawing_limited)),
    )


@functools.cache
def named(name: str) -> Task:
    """The task of a name that begins with `gym:`.

    Raises:
      InputError: as `from_gymnasium`.
    """
    return from_gymnasium(name.removeprefix(PREFIX), name=name)


def package_of(name: str) -> str:
    """The package that the name of a task says to import; empty where it names none."""
    return name.removeprefix(PREFIX).rpartition(":")[0] if name.startswith(PREFIX) else ""


def _name_of(given: Any) -> str:
    """The name of the task where none is given."""
    if isinstance(given, str):
        return PREFIX + given
    if isinstance(given, gymnasium.Env) or not callable(given):
        raise InputError(
            f"{type(given).__name__}: is neither the name of an environment nor a function that makes one; "
            "give one of them, because every row has an environment of its own."
        )
    own = str(getattr(given, "__name__", "<"))
    if "<" in own:
        raise InputError("name=None: the function has no name of its own; give name.")
    return own


def _made(env_id: str, arguments: Mapping[str, Any]) -> gymnasium.Env:
    """What processes call, too."""
    return gymnasium.make(env_id, disable_env_checker=True, **arguments)


def _makes(
    given: str | Make, horizon: int | None, arguments: Mapping[str, Any]
) -> tuple[Make, Callable[[int], Make] | None]:
    """What makes an environment, and what makes it with another time limit, as `Source` has them.

    Functions make what they make, whatever the arguments are.
    """
    if not isinstance(given, str):
        return given, None
    limit = {} if horizon is None else {"max_episode_steps": horizon}
    return functools.partial(_made, given, {**limit, **arguments}), functools.partial(
        _limited, given, arguments
    )


def _limited(env_id: str, arguments: Mapping[str, Any], steps: int) -> Make:
    return functools.partial(_made, env_id, {**arguments, "max_episode_steps": steps})


def _first(make: Make, name: str) -> gymnasium.Env:
    """An environment, of which sizes are taken.

    Raises:
      InputError: if it cannot be made.
    """
    _import_package(make, name)
    try:
        env: Any = make()
    except gymnasium.error.DependencyNotInstalled as error:
        raise InputError(f"{name}: {one_line(' '.join(map(str, error.args)))}") from error
    except (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv) as error:
        raise InputError(f"{name}: {_nearest(make, name)}") from error
    except gymnasium.error.Error as error:
        raise InputError(f"{name}: {one_line(error)}; write gym:ENV-v0 or gym:PACKAGE:ENV-v0.") from error
    except TypeError as error:
        env_id = _id_of(make).rpartition(":")[2]
        given: Mapping[str, Any] = make.args[1] if isinstance(make, functools.partial) and env_id else {}
        if wrong := unknown_argument(env_id, given) if given else "":
            raise InputError(f"{name}: {wrong}") from error
        raise
    if not isinstance(env, gymnasium.Env):
        kind = type(env)
        raise InputError(
            f"{name}: makes a {kind.__module__}.{kind.__qualname__}, which is no gymnasium.Env; return one."
        )
    return env


def _id_of(make: Make) -> str:
    """The name that gymnasium knows an environment by; empty where a function makes it."""
    return str(make.args[0]) if isinstance(make, functools.partial) and make.func is _made else ""


def _import_package(make: Make, name: str) -> None:
    package, colon, _ = _id_of(make).rpartition(":")
    if not colon:
        return
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        lacking = f"package {missing!r} is not installed"
        if not f"{package}.".startswith(f"{missing}."):
            lacking = f"package {package!r} needs {missing!r}, which is not installed"
        command = f"pip install {missing.partition('.')[0]}"
        raise InputError(
            f"{name}: {lacking}; install it, e.g. `{command}`, or add its folder to PYTHONPATH."
        ) from error
    except (TypeError, ValueError) as error:  # of a name that none can have
        raise InputError(f"{name}: {package!r} is no name of a package; write gym:PACKAGE:ENV-v0.") from error


def _nearest(make: Make, name: str) -> str:
    wanted = _id_of(make).rpartition(":")[2] or name
    known = list(gymnasium.registry)
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.7)
    near = near or [one for one in known if one.lower().startswith(wanted.lower())][:1]
    hint = f"Did you mean {near[0]!r}?" if near else "Write PACKAGE:ENV-v0 for one of a package of its own."
    return f"gymnasium knows no environment {wanted!r}. {hint}"
