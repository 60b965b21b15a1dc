"""The documentation tells the truth: its code runs, its commands exist, its rules hold."""

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rankq_jax import configs

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [p for top in ("rankq_jax", "experiments", "launch") for p in sorted((ROOT / top).rglob("*.py"))]


def blocks(path):
    """`{file name: code}` of the Python blocks of a document, by their first line."""
    found = re.findall(r"```python\n# (\S+)\n(.*?)```", path.read_text(), flags=re.DOTALL)
    return dict(found)


def test_writing_an_agent_runs_as_it_stands(tmp_path):
    code = blocks(ROOT / "docs" / "writing_an_agent.md")
    assert list(code) == [
        "rankq_jax/losses/margin.py",
        "rankq_jax/agents/margin.py",
        "rankq_jax/agents/__init__.py",
    ]
    assert sum(len(text.splitlines()) for text in code.values()) <= 60
    for top in ("rankq_jax", "experiments"):
        shutil.copytree(ROOT / top, tmp_path / top, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in code.items():
        file = tmp_path / path
        before = file.read_text() if file.exists() else ""
        assert bool(before) == path.endswith("__init__.py")  # one line into the registry, the rest is new
        file.write_text(before + "\n" + text)
    config = "--config=margin_q:pointmaze-umaze,smoke"
    command = [sys.executable, "-m", "experiments.train", config, "--workdir=run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["algorithm"] == "margin_q" and summary["updates"] > 0
    assert "critic/margin/broken" in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_the_loss_of_the_example_by_hand():
    namespace = {}
    exec(blocks(ROOT / "docs" / "writing_an_agent.md")["rankq_jax/losses/margin.py"], namespace)
    loss = namespace["hinge"](np.array([3.0, 1.0]), np.array([1.0, 1.5]), 1.0)
    np.testing.assert_allclose(loss, [0.0, 1.5])


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 250


def public_functions(path):
    """Public functions and methods of a file that take arguments, with their docstrings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, ast.get_docstring(node)


def module_level(path):
    tree = ast.parse(path.read_text())
    return [n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]


LOSSES = sorted((ROOT / "rankq_jax" / "losses").glob("[a-z]*.py"))


@pytest.mark.parametrize("path", LOSSES, ids=lambda p: p.name)
def test_every_loss_gives_shapes_and_its_source(path):
    source = ast.get_docstring(ast.parse(path.read_text())) or ""
    for function in module_level(path):
        text = ast.get_docstring(function) or ""
        assert re.search(r"`[^`]*\[[^`]*\][^`]*`", text), f"{function.name}: no shapes"
        assert re.search(r"arXiv|Eq", text + source), f"{function.name}: no source"


def test_whatever_raises_says_so():
    silent = []
    for path in SOURCES:
        for function in module_level(path):
            if function.name == "main":
                continue  # turned into an exit status by experiments.cli
            raised = {
                node.exc.func.id
                for node in ast.walk(function)
                if isinstance(node, ast.Raise)
                and isinstance(node.exc, ast.Call)
                and isinstance(node.exc.func, ast.Name)
            }
            text = ast.get_docstring(function) or ""
            silent += [f"{path.name}:{function.name}:{e}" for e in raised if f"{e}:" not in text]
    assert silent == []


def test_the_commands_of_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    modules = set(re.findall(r"python -m ((?:experiments|launch)\.\w+)", text))
    assert modules >= {
        "experiments.train",
        "experiments.make_dataset",
        "experiments.evaluate",
        "experiments.report",
        "launch.local",
    }
    for module in modules:
        assert (ROOT / (module.replace(".", "/") + ".py")).exists(), module
    targets = set(re.findall(r"`?make (\w+)`?", text))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    names = re.findall(r"--config=([a-z]\w*):", text)
    assert names
    for name in names:
        configs.read([f"--config={name}"])
    for path in re.findall(r"\]\((\w[\w/]*\.md)\)", text):
        assert (ROOT / path).exists(), path


def test_the_pictures_of_the_arm_are_drawn_by_a_script(tmp_path):
    script = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))
    script["main"](tmp_path, scenes=2)
    drawn = {path.name for path in tmp_path.iterdir()}
    linked = re.findall(r"\]\(pictures/([\w.-]+)\)", (ROOT / "docs" / "vla.md").read_text())
    assert drawn == set(linked) and len(drawn) == 4
    for name in drawn:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert (ROOT / "docs" / "pictures" / name).stat().st_size < 60_000


def test_the_pins_are_names_and_versions_alone():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.+]+", line), line


def extent(function):
    """Lines of a function without its docstring and the functions within it, and how many those are."""
    lines, nested = set(range(function.lineno, function.end_lineno + 1)), 0
    if ast.get_docstring(function) is not None:
        lines -= set(range(function.body[0].lineno, function.body[0].end_lineno + 1))
    for node in ast.walk(function):
        if node is not function and isinstance(node, ast.FunctionDef):
            nested += 1
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines), nested


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_are_short(path):
    functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
    long = {f.name: extent(f) for f in functions if extent(f)[0] > 60 or extent(f)[1] > 4}
    assert long == {}


def test_the_commands_of_a_checkout_are_thin():
    files = [*(ROOT / "experiments").glob("*.py"), *(ROOT / "launch").glob("*.py")]
    assert sum(len(file.read_text().splitlines()) for file in files) < 300
