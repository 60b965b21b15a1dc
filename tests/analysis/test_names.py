"""Names of any characters: pages, tables and pictures are written, and say the names as they are."""

import itertools
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rankq_jax.analysis import comparison, curves, names, pictures, statistics, tables
from rankq_jax.analysis.arms import Arm, member
from rankq_jax.analysis.curves import Line
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.q_landscape import Landscape
from rankq_jax.training import report
from tests.analysis.fake_runs import workdir
from tests.analysis.test_tables import workdir as finished

PNG = b"\x89PNG"
PIECES = [
    "$", r"\frac{", "_", "^", "|", "`", "``", "<b>", "</td>", "*", "**", "[a](b)", "&amp;", "~~", "#", "\\",
    "a", "rankq", " ", "  ", "\n", "\t", "\r\n", "é", "ぁ", "🤖", "{", "}", "%", '"', "'", "!", "$x_1$", "$$",
    "\u202e", "\x00", "\ud800", "http://a.b", "--", "- ", "1. ", r"\\", "0",
]  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=12)
HARD = [
    r"$\frac{$", "_hidden", "a|b", "`", "<script>alert(1)</script>", "x\ny", "", " ", "*a*", "a_b_c",
    "$", "^_^", "n" * 5000, "\\", "\\|", "ends with \\", "[x](y)", "&lt;",
]  # fmt: skip


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 20)


def visible(name):
    """What a reader should see: the name itself, and invisible characters as Python writes them."""
    if name != name.strip() or not name:
        return repr(name)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


class Cells(HTMLParser):
    """Texts of the cells of all tables of a page, and every tag that is open at the end."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.rows, self.open, self.tags = [], [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def markdown_rows(text):
    """Texts of the cells of the tables of a document, and nothing that is marked up inside them."""
    rows = []
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            kinds = {child.type for child in token.children}
            assert kinds <= {"text", "text_special"}, (kinds, token.content)
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def hard(test):
    for name in HARD:
        test = example(name)(test)
    return test


@seed(10)
@settings(max_examples=100, deadline=None)
@hard
@given(NAMES)
def test_a_cell_of_markdown_is_the_name(name):
    text = f"| arm | value |\n|---|---|\n| {names.markdown(name)} | 1 |"
    assert markdown_rows(text) == [["arm", "value"], [visible(name), "1"]]


@seed(11)
@settings(max_examples=100, deadline=None)
@hard
@given(NAMES)
def test_code_and_blocks_hold_whatever_is_in_them(name):
    (_, inline, _) = MarkdownIt("commonmark").parse(f"from {names.code(name)} on")
    (start, code, end) = inline.children
    assert (start.content, code.type, end.content) == ("from ", "code_inline", " on")
    assert code.content == visible(name)
    tokens = MarkdownIt("commonmark").parse(names.block(f"{name}\nlast"))
    assert [token.type for token in tokens] == ["fence"] and tokens[0].content.endswith("last\n")


def test_names_that_need_nothing_stay_readable():
    for name in ("rankq_no_chain", "cal_ql (runs/x-1/a.b)", "sigma=0.3, a [b]"):
        assert names.markdown(name).replace("\\", "") == name
    assert names.markdown("rankq_no_chain") == "rankq_no_chain"


def figures(all_names):
    """Every picture that holds names that a user chooses."""
    x = np.array([0.0, 1.0])
    one = Curve(np.array([0, 1]), np.array([[0.0], [1.0]]))
    lines = [Line(name, i, x, x, x, x, x > 0) for i, name in enumerate(all_names)]
    square = np.zeros((3, 3))
    place = Landscape(np.linspace(-1, 1, 3), square, np.zeros((3, 3, 2)), np.zeros((2, 4, 2)))
    seeds = [curves.of_seeds(name, i, one) for i, name in enumerate(all_names)]
    yield lambda: curves.learning_curves({"success rate": seeds})
    yield lambda: curves.learning_curves({"return": lines})
    yield lambda: curves.profiles(lines, "return")
    yield lambda: pictures.landscapes(dict.fromkeys(all_names, place))


UNUSUAL = [*HARD, "ぁ🤖", "\ud800", "a\x00b"]


@pytest.mark.parametrize("chosen", [UNUSUAL[i::4] for i in range(4)])
def test_pictures_are_drawn_with_every_name(chosen, monkeypatch, recwarn):
    for figure in figures(chosen):
        picture = figure()
        assert picture.startswith(PNG)
        width, height = np.frombuffer(picture[16:24], ">u4")
        assert width < 3500 and height < 2000
    drawn = []
    monkeypatch.setattr(curves, "png", lambda figure: drawn.append(figure) or PNG)
    next(figures(chosen))()
    (legend,) = [axes.get_legend() for axes in drawn[0].axes if axes.get_legend()]
    shown = [text.get_text() for text in legend.get_texts()]
    assert [text for text in shown if len(text) < 60] == [visible(n) for n in chosen if len(n) < 60]
    assert len(shown) == len(chosen) and max(map(len, shown)) < 70  # none is left out, "_hidden" neither
    assert not [str(w.message) for w in recwarn.list if "Glyph" in str(w.message)]


@pytest.mark.parametrize("name", ["a $x$", r"\frac{", "a_b^c"])
def test_no_formula_is_parsed(name, monkeypatch):
    drawn = []

    def keep(figure):
        drawn.append(figure)
        return real(figure)

    real = curves.png
    monkeypatch.setattr(curves, "png", keep)
    next(figures([name]))()
    texts = [axes.get_legend().get_texts()[0] for axes in drawn[0].axes if axes.get_legend()]
    assert texts and not any(text.get_parse_math() for text in texts)


@seed(12)
@settings(max_examples=8, deadline=None)
@example(r"$\frac{", "a|b")
@example("_x", "<i>")
@example("`\n`", "\\")
@given(NAMES.filter(bool), NAMES.filter(bool))
def test_pages_and_tables_have_every_name_in_its_cell(tmp_path_factory, one, other):
    folder = tmp_path_factory.mktemp("names", numbered=True)
    runs = [workdir(folder / f"s{i}", {i: (0, 1, 2)}, name=name) for i, name in enumerate((one, other))]
    sweep = Cells(report.write(folder / "sweep", [folder]).read_text(encoding="utf-8"))
    listed = [row[0] for row in sweep.rows]
    assert sweep.open == [] and not {"b", "i", "script"} & sweep.tags
    if one == other:
        return
    assert visible(one) in listed and visible(other) in listed
    page = Cells(report.write(folder / "page", runs).read_text(encoding="utf-8"))
    assert [row[0] for row in page.rows] == ["algorithm", visible(one), visible(other)]
    assert {len(row) for row in page.rows} == {len(page.rows[0])} and page.open == []
    whole = [finished(folder / f"t{i}", name=name) for i, name in enumerate((one, other))]
    done = [comparison.finished(run) for run in whole]
    text = tables.document(done, f"make {one}", other, ["a note"], "a machine")
    rows = markdown_rows(text.encode("utf-8").decode("utf-8"))
    assert [row[0] for row in rows] == ["arm", visible(one), visible(other)]
    assert {len(row) for row in rows} == {7} and rows[0][3] == f"P({visible(other)} better)"


def test_a_table_about_a_task_without_success(tmp_path):
    """Its returns, from the summary, and of a run of before from its evaluations."""
    new = {"offline_return": [1.0, 2.0, 3.0], "final_return": [10.0, 20.0, 60.0]}
    folder = finished(tmp_path / "a", new, task="expert-ant")
    content = json.loads((folder / "summary.json").read_text())
    for field in ("offline_success_rate", "final_success_rate"):
        del content[field]
    (folder / "summary.json").write_text(json.dumps(content))
    old = workdir(
        tmp_path / "b", {0: (0, 1, 2)}, task="expert-ant"
    )  # lengths 40 and 30, the returns negative
    (arm,) = comparison.by_task([comparison.finished(folder)])["expert-ant"]
    head, _, row = markdown_rows_of(tables.section("expert-ant", [arm], "rankq"))
    assert head[1:3] == ["offline return", "final return"]
    assert row[1].startswith("2.0 [") and row[1].endswith("] (1.0, 2.0, 3.0)")
    assert row[2].startswith("30.0 [") and row[2].endswith("] (10.0, 20.0, 60.0)")
    of_before = Arm("b", [member(comparison.finished(old))])
    assert of_before.result("offline") == [-40.0] and of_before.result("final") == [-30.0]


def markdown_rows_of(text):
    found = markdown_rows(text)
    return [found[0], None, *found[1:]]
