"""The order of the floors: who may import whom. Read from the source, nothing is run."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Floor of each part of the library. A part imports its own floor's modules of the same part, and lower
# floors; two parts of one floor do not import each other.
FLOORS = [
    {"errors", "files", "specs"},
    {"types", "environments"},
    {"bounds", "drawing"},
    {"losses", "action_sets", "trained_policies"},
    {"networks"},
    {"agents"},
    {"lifting", "parallel", "timing", "metrics", "diagnostics"},
    {"data", "envs", "checkpoints", "writers", "exporting", "transfer"},
    {"tasks", "phases", "evaluation"},
    {"loop", "analysis", "preferences"},
    {"configs"},
    {"registry"},
    {"training", "launch"},
    {"cli", "library", "testing"},
]
LEVEL = {part: level for level, parts in enumerate(FLOORS) for part in parts}
# What needs a concrete agent must get it as an argument.
BLIND_TO_AGENTS = {"drawing", "lifting", "parallel", "timing", "metrics", "diagnostics", "data", "envs",
                   "checkpoints", "writers", "tasks", "phases", "evaluation", "loop", "analysis"}  # fmt: skip

# Third-party packages that one place alone may name.
ONLY_IN = {
    "mujoco.batch": {"rankq_jax/envs/physics.py"},
    "distrax": {"rankq_jax/networks/gaussian.py"},
    "flax": {"rankq_jax/networks"},
    "orbax": {"rankq_jax/checkpoints"},
    "openpi": {"rankq_jax/networks/openpi/backend.py"},
    "minari": {"rankq_jax/data"},
    "h5py": {"rankq_jax/data/sources", "rankq_jax/data/export.py"},
    "gymnasium_robotics": {"rankq_jax/envs/robotics.py"},
    "matplotlib": {"rankq_jax/analysis/pictures.py", "rankq_jax/analysis/curves.py"},
    "rliable": {"rankq_jax/analysis/statistics.py"},
    "tensorboardX": {"rankq_jax/writers.py"},
    "imageio": {"rankq_jax/envs/filming.py"},
    "ml_collections": {"rankq_jax/configs/door.py"},
    "absl": {"rankq_jax/cli/command.py"},
    "tqdm": {"rankq_jax/training"},
    "ray": {"rankq_jax/launch/ray.py", "rankq_jax/launch/actors.py"},
    "rich": {"rankq_jax/launch/states.py"},
    "submitit": {"rankq_jax/launch/slurm.py"},
    "filelock": {"rankq_jax/cli/compilation.py", "rankq_jax/training/workdir.py"},
    "fcntl": {"rankq_jax/files.py"},
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(top):
    return sorted((ROOT / top).rglob("*.py"))


def part_of(module):
    """`rankq_jax.data.buffer` -> `data`."""
    names = module.split(".")
    return names[1] if names[0] == "rankq_jax" and len(names) > 1 else None


@pytest.mark.parametrize("path", files("rankq_jax"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    relative = path.relative_to(ROOT / "rankq_jax")
    part = relative.parts[0].removesuffix(".py")
    if part == "__init__":
        return
    assert part in LEVEL, f"{part} has no floor; give it one in tests/test_floors.py"
    for module in imports(path):
        other = part_of(module)
        if other is None or other == part:
            continue
        assert LEVEL[other] < LEVEL[part], f"{relative} imports {module}"
        assert not (part in BLIND_TO_AGENTS and other in ("agents", "networks")), f"{relative}: {module}"


@pytest.mark.parametrize("path", files("rankq_jax"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_knows_no_experiment(path):
    tops = {module.split(".")[0] for module in imports(path)}
    above = path.relative_to(ROOT / "rankq_jax").parts[0] in ("configs", "training", "cli")
    assert not tops & {"benchmarks", "experiments", "launch", "tests"}
    assert above or not tops & {"ml_collections", "absl"}


@pytest.mark.parametrize("path", files("rankq_jax/launch"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_launcher_starts_at_once(path):
    tops = {module.split(".")[0] for module in imports(path)}
    assert not tops & {"jax", "experiments", "numpy"}
    assert {part_of(module) for module in imports(path)} <= {None, "launch", "errors", "files"}


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_a_package_is_named_in_one_place(package):
    users = {
        str(path.relative_to(ROOT))
        for top in ("rankq_jax", "experiments", "launch")
        for path in files(top)
        if any(m == package or m.startswith(f"{package}.") for m in imports(path))
    }
    assert users, f"nothing uses {package}"
    allowed = ONLY_IN[package]
    assert all(any(u == a or u.startswith(f"{a}/") for a in allowed) for u in users), users


def test_pmap_is_named_in_one_file():
    users = {
        str(path.relative_to(ROOT))
        for top in ("rankq_jax", "experiments", "launch")
        for path in files(top)
        if any(
            isinstance(node, ast.Attribute) and node.attr == "pmap"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    assert users == {"rankq_jax/parallel.py"}


def test_nothing_below_the_loop_reads_a_clock_or_logs():
    pure = ["bounds", "losses", "action_sets.py", "networks", "agents", "lifting.py", "parallel.py",
            "diagnostics.py", "phases.py"]  # fmt: skip
    for name in pure:
        place = ROOT / "rankq_jax" / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            tops = {module.split(".")[0] for module in imports(path)}
            assert not tops & {"time", "logging", "os", "pathlib", "random", "tqdm"}, path
            calls = {
                node.func.id
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not calls & {"print", "open"}, path
