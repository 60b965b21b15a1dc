"""Which checkpoints stay: the same ones however often and whenever a run was disturbed."""

from types import SimpleNamespace

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from rankq_jax.checkpoints.retention import Marks, Retention

NEWEST = 2
FIRST_TRY, SECOND_TRY = 0, 1


class Folder:
    """Checkpoints of a run as a folder keeps them: `{number: (evaluation, score, anchor)}`."""

    def __init__(self, best):
        self.best, self.kept, self.marks = best, {}, Marks(best)

    def opened_again(self):
        """By another process, which knows what lies there."""
        self.marks = Marks(self.best)
        for number, (_, score, anchor) in self.kept.items():
            self.marks.note(number, score, anchor)

    def save(self, evaluation, score, anchor):
        number = max(self.kept, default=0) + 1
        self.marks.note(number, score, anchor)
        self.kept[number] = (evaluation, score, anchor)
        infos = [SimpleNamespace(step=one) for one in sorted(self.kept)]
        stay = Retention(NEWEST, self.marks).should_preserve(infos, context=None)
        self.kept = {i.step: self.kept[i.step] for i, stays in zip(infos, stay, strict=True) if stays}

    def go_on_from(self, number):
        for newer in [one for one in self.kept if one > number]:
            del self.kept[newer]
            self.marks.forget(newer)

    def ranked(self):
        return [(self.kept[n][0], self.kept[n][1]) for n in self.marks.ranked(self.kept)[: self.best]]


def run(folder, scores, anchors, timed, kills, failure):
    """A run whose evaluation i of an attempt has `scores[attempt][i]`.

    `timed`: evaluations before and after which the clock asks for a checkpoint. `kills`: evaluations after
    which the process dies, once each. `failure`: the evaluation after which the first attempt goes bad.
    """
    attempt, i, kills = FIRST_TRY, 0, set(kills)
    while i < len(scores[attempt]):
        if attempt == FIRST_TRY and i - 1 == failure:
            folder.opened_again()
            anchor = max(folder.marks.anchors, default=0)
            folder.go_on_from(anchor)
            i, attempt = (folder.kept[anchor][0][1] + 1 if anchor else 0), SECOND_TRY
        if i in timed:
            folder.save((attempt, i - 1, "between"), None, False)
        score = scores[attempt][i]
        planned = i in anchors or i + 1 == len(scores[attempt])
        if planned or folder.marks.wants(score) or i in timed:
            folder.save((attempt, i), score, planned)
        if i in kills:
            kills.remove(i)
            folder.opened_again()
            newest = max(folder.kept, default=0)
            folder.go_on_from(newest)
            i = folder.kept[newest][0][1] + 1 if newest else 0
            continue
        i += 1
    return folder


def expected(best, scores, anchors, failure):
    """The best of all evaluations that count in the end, the first of equals before the others."""
    counted = [((FIRST_TRY, i), score) for i, score in enumerate(scores[FIRST_TRY])]
    if failure is not None:
        last = max((i for i in anchors if i <= failure), default=-1)
        counted = counted[: last + 1]
        counted += [((SECOND_TRY, i), s) for i, s in enumerate(scores[SECOND_TRY]) if i > last]
    return sorted(counted, key=lambda pair: -pair[1])[:best]


ROUNDS = st.integers(0, 11)
EQUAL = st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0])  # so few that many are equal


@seed(5)
@settings(max_examples=300, deadline=None)
@example(1, ([0.5, 0.5, 0.25] + [0.0] * 9,) * 2, set(), {1}, set(), None)
# What is best up to an anchor is deleted for a better one, which the second attempt then does not have.
@example(1, ([0.5, 0.0, 0.0, 1.0, *[0.0] * 8], [0.0] * 12), {2}, {2, 3}, set(), 3)
@given(
    best=st.integers(1, 3),
    scores=st.tuples(*[st.lists(EQUAL, min_size=12, max_size=12)] * 2),
    anchors=st.sets(ROUNDS, max_size=4),
    timed=st.sets(ROUNDS),
    kills=st.sets(ROUNDS),
    failure=st.none() | st.integers(0, 10),
)
def test_the_best_do_not_depend_on_kills_or_on_the_clock(best, scores, anchors, timed, kills, failure):
    straight = run(Folder(best), scores, anchors, set(), set(), failure)
    assert straight.ranked() == expected(best, scores, anchors, failure)
    disturbed = run(Folder(best), scores, anchors, timed, kills, failure)
    assert disturbed.ranked() == straight.ranked()


def test_the_first_of_equals_is_the_best():
    marks = Marks(1)
    for number, score in ((1, 0.5), (2, None), (3, 0.9), (4, 0.9), (5, float("nan"))):
        marks.note(number, score, anchor=False)
    assert (marks.best, marks.best_score) == (3, 0.9)
    assert [marks.wants(score) for score in (0.91, 0.9, float("nan"))] == [True, False, False]


@pytest.mark.parametrize("best", [0, 1])
def test_without_best_checkpoints_none_is_wanted_for_its_score(best):
    assert Marks(best).wants(1.0) == bool(best)
