"""Sweep files that define no sweep: one line with the file, and the line where there is one; status 2."""

import re

import pytest

from rankq_jax.launch import plan, status
from tests.launch import launching

JOB = "from rankq_jax.launch import Job, arm, product\n"
BROKEN = {
    "import sys; sys.exit(0)": "line 2: exits",
    "raise SystemExit": "line 2: exits",
    "x = 1\n1 / 0": "line 3: fails with ZeroDivisionError",
    "def f():\n    raise KeyError('k')\nf()": "line 3: fails with KeyError",
    "def f(): f()\nf()": "fails with RecursionError",
    "open('/nowhere/x')": "line 2: fails with FileNotFoundError",
    "SWEEP = [Job('a', ())": "line 2: fails with SyntaxError",
    "SWEEP = (Job(str(i), ()) for i in iter(int, 1))": "not a list of jobs",
    "import itertools\nSWEEP = product(map(str, itertools.count()))": "line 3: .* more than 10000 values",
    "import itertools\nSWEEP = product(('a',), {'seed': itertools.count()})": "more than 10000 values",
    "SWEEP = product(('a',) * 200, {'seed': range(200)})": "more than 10000 jobs",
    "SWEEP = [Job(str(i), ()) for i in range(10_001)]": "has 10001 jobs",
    "SWEEP = product('rankq')": "configs: 'rankq' is no sequence",
    "SWEEP = product((3,))": "configs: 3 is no text",
    "SWEEP = product(3)": "configs: 3 is no sequence",
    "SWEEP = product(('a',), tasks='x')": "tasks: 'x' is no sequence",
    "SWEEP = product(('a',), tasks=(None,))": "tasks: None is no text",
    "SWEEP = product(('a',), {'seed': 3})": "field 'seed': 3 is no sequence",
    "SWEEP = product(('a',), {'dataset': 'x'})": "field 'dataset': 'x' is no sequence",
    "SWEEP = product(('a',), {3: (1,)})": "a field in overrides: 3 is no text",
    "SWEEP = product(('a',), [1])": "overrides: .* is no mapping",
    "SWEEP = product(('a',), {'seed': ({},)})": "field 'seed': {} is no number",
    "SWEEP = product(('a',), {'seed': (print,)})": "field 'seed': .* is no number",
    "SWEEP = product(('a',), seeds='4')": "seeds='4': must be a whole number",
    "SWEEP = product(('a',), seeds=-1)": "seeds=-1: must be",
    "SWEEP = product(('a',), seeds=2, seed=0.5)": "seed=0.5: must be",
    "SWEEP = product(('a', 'a'))": "two jobs are named 'a'",
    "SWEEP = [arm('a', 'x', 3)]": "overrides: 3 is no mapping",
    "SWEEP = [arm('a', None, {})]": "argument: None is no text",
    "SWEEP = [arm('a', 'x', {'seed': object})]": "field 'seed': .* is no number",
    "SWEEP = [Job(3, ())]": "job 0, 3, is no text",
    "SWEEP = [Job('a', '--config=b')]": "arguments of 'a' are no tuple of texts",
    "SWEEP = [Job('a', 3)]": "arguments of 'a' are no tuple of texts",
    "SWEEP = [Job('a', (3,))]": "arguments of 'a' are no tuple of texts",
    "SWEEP = [Job('a', ('b\\0',))]": "arguments of 'a' are no tuple of texts",
    "SWEEP = [Job('a', ('\\udcff',))]": "arguments of 'a' are no tuple of texts",
    "SWEEP = None": "not a list of jobs",
    "SWEEP = float('nan')": "not a list of jobs",
    "BUDGETS = {3: []}": "has no budget 'cores'; choose --budget of: 3",
    "BUDGETS = {'cores': Job('a', ())}": "not a list of jobs",
}


@pytest.fixture
def said(capsys):
    """`(status, stderr)` of a command with words on its command line."""

    def run(command, *words):
        ended = launching.status(command, *words)
        return ended, capsys.readouterr().err

    return run


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_one_line(text, said, tmp_path):
    path = tmp_path / "sweep.py"
    path.write_text(JOB + text + "\n")
    for command in (plan, status):
        ended, told = said(command, path, f"--out={tmp_path}")
        assert ended == 2 and told.count("\n") == 1, told
        assert told.startswith(f"error: {path}")
        assert re.search(BROKEN[text], told), told


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"\0", b"", "SWEEP = ['é'".encode("latin-1")])
def test_a_file_that_is_no_text_is_one_line(content, said, tmp_path):
    path = tmp_path / "sweep.py"
    path.write_bytes(content)
    ended, told = said(plan, path)
    assert ended == 2 and told.count("\n") == 1 and told.startswith(f"error: {path}")


def test_places_that_are_no_files(said, tmp_path):
    path = tmp_path / "sweep.py"
    path.write_text(JOB + "SWEEP = [Job('a', ())]\n")
    for words in ([tmp_path], [tmp_path / "nothing.py"], ["x" * 5000], [path, "--out=" + "y" * 5000]):
        ended, told = said(status, *words)
        assert ended == 2 and told.count("\n") == 1 and told.startswith("error: "), told
    (tmp_path / "file").touch()
    assert said(status, path, f"--out={tmp_path / 'file'}")[0] == 0  # nothing has begun there


def test_an_interrupted_command_has_no_traceback(said, tmp_path):
    path = tmp_path / "sweep.py"
    path.write_text("raise KeyboardInterrupt\n")
    assert said(plan, path) == (130, "error: interrupted\n")
