"""What is due, of back ends that say themselves how jobs end."""

import os
import signal

from rankq_jax.launch import Job, record
from rankq_jax.launch.job import Outcome
from rankq_jax.launch.scheduler import Backend, Scheduler, status_of

JOBS = [Job("a", ()), Job("b", ("--expert={out}/a",)), Job("c", ()), Job("d", ("--expert={out}/b",))]


class Told(Backend):
    """Ends one job at each look, the oldest, as it is told; writes down what is submitted."""

    def __init__(self, ends=(), room=9, **kinds):
        self.running, self.submitted, self.asked = {}, [], 0
        self._ends, self._room = dict(ends), room
        vars(self).update(kinds)

    def room(self):
        return len(self.running) < self._room

    def submit(self, due):
        self.running[due.name] = due
        self.submitted.append((due.name, len(self.running)))

    def poll(self):
        name = next(iter(self.running))
        del self.running[name]
        if name in self._ends:
            yield name, self._ends[name]() or Outcome("preempted")
        else:
            yield name, Outcome("done", 0)

    def stop(self):
        self.asked += 1
        return len(self.running)


def run(backend, out):
    scheduler = Scheduler(JOBS, out, 3, backend)
    return {name: ended.state for name, ended in scheduler.run().items()}, scheduler


def test_a_job_is_due_when_what_it_needs_is_done(tmp_path):
    backend = Told(room=2)
    assert run(backend, tmp_path)[0] == dict.fromkeys("acbd", "done")
    assert backend.submitted == [("a", 1), ("c", 2), ("b", 2), ("d", 1)]


def test_a_queue_that_holds_jobs_gets_them_at_once(tmp_path):
    backend = Told(holds=True)
    run(backend, tmp_path)
    assert [name for name, _ in backend.submitted] == ["a", "b", "c", "d"]


def test_what_an_earlier_launcher_has_submitted_is_not_submitted_again(tmp_path):
    backend = Told(running={"a": JOBS[0]})
    assert set(run(backend, tmp_path)[0]) == set("abcd")
    assert [name for name, _ in backend.submitted] == ["c", "b", "d"]


def test_what_needs_a_job_that_is_not_done_is_not_started(tmp_path):
    backend = Told({"a": lambda: Outcome("failed", 2, "broke")})
    ended, scheduler = run(backend, tmp_path)
    assert ended == {"a": "failed", "b": "failed", "c": "done", "d": "failed"}
    assert scheduler.outcomes["d"].error == "not started, because it needs b"


def test_a_stop_asks_once_and_starts_nothing(tmp_path):
    stopped = {"a": lambda: os.kill(os.getpid(), signal.SIGTERM)}
    backend = Told(stopped, room=2)
    assert run(backend, tmp_path)[0] == {"a": "preempted", "c": "done"}
    assert backend.asked == 1
    backend = Told(stopped, detached=True)
    ended, scheduler = run(backend, tmp_path)
    assert ended == {"a": "preempted"} and list(backend.running) == ["c"] and backend.asked == 0
    assert [job.name for job in scheduler.waiting] == ["b", "d"]


def test_a_failure_beside_a_job_that_goes_on_is_a_failure(capsys):
    jobs = [Job(name, ()) for name in "ab"]
    failed, stopped = Outcome(record.FAILED, 2, "broke"), Outcome(record.PREEMPTED)
    assert status_of(jobs, {"a": failed, "b": stopped}) == 1
    assert "1 left a checkpoint, 0 not started" in capsys.readouterr().err
    assert status_of(jobs, {"a": failed}) == 75  # the other one was never begun
    assert status_of(jobs, {"a": stopped, "b": stopped}) == 75
