"""The benchmarks measure what they say, in their smallest sizes, and count operations rightly."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import (
    checkpoints,
    collecting,
    dataset,
    devices,
    diagnostics,
    envs,
    layouts,
    memory,
    online,
    operations,
    report,
    seeds,
    targets,
    traces,
    updates,
    vla,
    vla_policy,
    work,
)
from benchmarks.operations import NEEDED, Network, Sizes
from benchmarks.turns import by_turns, timed
from rankq_jax import tasks
from rankq_jax.envs.tabletop import demonstrations

TINY = Sizes(hidden=(8, 6), batch=4)
COMMANDS = {
    "updates": updates, "seeds": seeds, "devices": devices, "online": online, "envs": envs, "memory": memory,
    "layouts": layouts, "checkpoints": checkpoints, "vla": vla, "vla_policy": vla_policy,
    "diagnostics": diagnostics, "collecting": collecting,
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return work.dataset(20)


def positive(*arrays):
    return all(np.isfinite(a).all() and (np.asarray(a) > 0).all() for a in arrays)


# Operations.


def test_a_pass_by_hand():
    net, total = Network((3, 5, 1), members=2), operations.total
    forward = 2 * 7 * (3 * 5 + 5 * 1)
    assert total(net.pass_(7)) == 2 * forward
    # all weights, and the input of the second layer alone
    assert total(net.pass_(7, weights=True)) == 2 * (2 * forward + 2 * 7 * 5 * 1)
    assert total(net.pass_(7, inputs=True)) == 2 * 2 * forward


def test_a_program_is_counted_with_its_loops_and_branches():
    def program(a, b):
        def body(carry, _):
            return carry @ b, None

        looped, _ = jax.lax.scan(body, a, None, length=3)
        return jax.lax.cond(a[0, 0] > 0, lambda x: x @ b, lambda x: x, looped)

    jaxpr = jax.make_jaxpr(program)(jnp.ones((2, 4)), jnp.ones((4, 4))).jaxpr
    assert operations.counted(jaxpr) == (3 + 1) * 2 * 2 * 4 * 4


@pytest.mark.parametrize("members", [2, 3])
@pytest.mark.parametrize("algorithm", sorted(NEEDED))
def test_an_update_multiplies_what_it_needs(algorithm, members, data):
    sizes = TINY._replace(members=members)
    agent = work.agent(work.configured(algorithm, sizes))
    batch = jax.tree.map(lambda x: jnp.asarray(x[: sizes.batch]), data)
    state = jax.eval_shape(agent.init, jax.random.key(0), batch)
    traced = operations.counted(jax.make_jaxpr(agent.update)(state, batch, jax.random.key(1)).jaxpr)
    total, needed = operations.total, NEEDED[algorithm](sizes)
    spare = 0.0
    if algorithm in ("cql", "cal_ql"):
        # The proposals ask the policy again where backup and actor have asked it; compiling makes it one.
        spare = 2 * total(operations.policy(sizes, 2).pass_(sizes.batch))
    if algorithm == "td3_bc":
        # The condition's branch counts whole, and evaluates the members that the policy does not follow.
        others = operations.critic(sizes, members - 1).pass_(sizes.batch, inputs=True)
        spare = total(operations.delayed(sizes)) / 2 + total(others)
    assert traced == total(needed) + spare


def test_bare_products_run_as_often_as_they_are_counted():
    products = operations.policy(TINY).pass_(4, weights=True)
    run, amount = operations.back_to_back(products, 3)
    for _ in range(2):
        jax.block_until_ready(run())
    assert amount == 3 * operations.total(products)


# Measuring.


def test_turns_call_everything_in_turn():
    called = []
    things = {name: timed(lambda name=name: called.append(name), 1e-9) for name in "ab"}
    called.clear()
    found = by_turns(things, 3)
    assert called == ["a", "b"] * 3
    assert all(seconds.shape == (3,) and positive(seconds) for seconds in found.values())


def test_updates(data):
    effort = updates.Effort(updates=2, duration=1e-3, rounds=2, peak=16)
    (figures,) = updates.measure(["iql"], TINY, data, effort)
    assert positive(figures.update, figures.alone, figures.large, figures.own, figures.operations)
    assert updates.line(figures, targets.CPU).count("|") == len(updates.COLUMNS) + 1
    rank = figures._replace(algorithm="rankq", update=np.array([1.0, 3.0, 2.0]))
    other = figures._replace(algorithm="cal_ql", update=np.array([10.0, 10.0, 5.0]))
    # quotients 0.1, 0.3, 0.4
    assert "0.300 (0.100-0.400); target at most 0.25: missed by 20 %" in updates.comparison(
        [rank, other], targets.CPU
    )
    assert updates.comparison([rank, figures], targets.CPU) == ""


def test_the_vmapped_baseline_makes_the_same_update(data):
    config = work.configured("rankq", TINY)
    plain, mapped = (work.agent(config, vmapped=vmapped) for vmapped in (False, True))
    batch = jax.tree.map(lambda x: jnp.asarray(x[:4]), data)
    state = jax.jit(plain.init)(jax.random.key(0), batch)
    found = [jax.jit(agent.update)(state, batch, jax.random.key(1))[1] for agent in (plain, mapped)]
    np.testing.assert_allclose(found[0]["critic/penalty"], found[1]["critic/penalty"], rtol=1e-5)


def test_a_line_of_updates_holds_medians_and_verdicts():
    ones = np.ones(3)
    figures = updates.Figures(
        "sac", (256, 256), 2e9, 3.0, ones / 100, ones / 80, 4e11 * ones, np.array([2e11, 4e11, 8e11])
    )
    # 100 updates of 2 GFLOP are 200 GFLOP/s: half of 400, where 0.65 is the target; 100 / 80 is not 1.6.
    assert updates.line(figures, targets.CPU) == (
        "| sac | 256x256 | 3.0 | 100 | 2.00 | 200 | 0.50 (0.50-0.50) | 0.50 (0.25-1.00) | 80 | "
        "1.25 (1.25-1.25) | share missed by 23 %, ratio missed by 22 % |"
    )
    assert report.against(0.2, 0.25, at_most=True) == "met" == report.against(0.7, 0.65)


def test_seeds(data):
    lines = seeds.measure("iql", [2], data, TINY, updates=1, duration=1e-3, rounds=2)
    assert [(f.seeds, f.mode) for f in lines] == [(s, mode) for s in (1, 2) for mode in seeds.MODES]
    assert positive(*(figures.update for figures in lines))
    np.testing.assert_array_equal(lines[1].update, lines[1].one)  # one after another is the usual on CPU
    assert "time" in seeds.line(lines[2], targets.GPU._replace(seeds=(2, 1e-9)))


def test_devices(data):
    lines = devices.measure("iql", [2], data, TINY, updates=1, duration=1e-3, rounds=2)
    assert [(f.way, f.devices, f.seeds) for f in lines] == [
        ("seeds", 1, 2), ("seeds", 2, 2), ("batch", 1, 1), ("batch", 2, 1),
    ]  # fmt: skip
    assert positive(*(figures.update for figures in lines))
    assert devices.line(lines[0]).endswith("1.00 (1.00-1.00) |")


def test_online():
    setting = online.Setting(environments=1, updates=2, data_rows=50, measured=1, turns=1)
    figures = online.measure("pointmaze-umaze", setting)
    assert figures.updates == 2 and figures.steps >= 1
    assert positive(*figures.seconds.values())
    assert all(set(sections) == set(online.SECTIONS) for sections in figures.sections.values())
    assert len(online.lines(figures)) == 2 and "target" in online.judged(figures, targets.CPU)


def test_dataset(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dataset, "PLACES", dataset.PLACES[:2])
    sizes = ("--rows=500", "--hidden=8", "--batch=8", "--updates=2", "--dispatches=1", "--rounds=1")
    dataset.main([*sizes, f"--out={tmp_path / 'dataset.json'}"])
    measured = json.loads((tmp_path / "dataset.json").read_text())["results"]
    assert positive(*(rate for rates in measured["updates_per_second"].values() for rate in rates))
    assert "| disk |" in capsys.readouterr().out and measured["bytes"] > 500 * 4 * 60


def test_the_rounds_that_count_are_those_after_the_first():
    marks = [
        {"collect": 1.0, "update": 2.0, "compile": 5.0, "clock": 10.0},
        {"collect": 2.0, "update": 4.0, "compile": 5.5, "clock": 15.0},
    ]
    assert online.between(marks, 1) == {
        "wall": 4.5, "collect": 1.0, "update": 2.0, "rest": 1.5, "compile": 0.5,
    }  # fmt: skip


def test_memory_shares_the_dataset_between_seeds():
    one = memory.measure("iql", 1, 300, 50, TINY, updates=1)
    two = memory.measure("iql", 2, 300, 50, TINY, updates=1)
    # observations, actions, their followers, and four numbers per transition, all float32
    transition = 4 * (2 * 29 + 2 * 8 + 4)
    assert one.dataset == two.dataset == 300 * transition
    assert (one.buffers, two.buffers) == (50 * transition + 4, 2 * (50 * transition + 4))
    assert two.agents == 2 * one.agents
    for figures in (one, two):
        assert 0 <= figures.added - figures.dataset - figures.buffers - figures.agents < figures.dataset / 2


def test_layouts_agree_and_are_measured():
    key, rows = jax.random.key(0), jnp.ones((4, 29))
    first = layouts.ensemble(TINY.hidden, TINY.members)
    params = jax.tree.map(
        lambda x: x + 0.1 * jax.random.normal(key, x.shape), first.init(key, rows, jnp.ones((4, 8)))
    )
    actions = jax.random.normal(key, (4, 3, 8))
    values = [of_set(params, rows, actions) for of_set in layouts.layouts(TINY).values()]
    for value in values[1:]:
        np.testing.assert_allclose(values[0], value, rtol=1e-4, atol=1e-5)
    figures = layouts.measure(TINY, 2, True, 1e-3, 2)
    assert len(figures) == len(values) and positive(*(one.step for one in figures))


def test_a_trace_names_the_largest_costs(data):
    found = traces.measure("iql", TINY, data, 2)
    assert len(found.by_kind) >= 3 and positive(list(found.by_kind.values())[:3], found.wall)
    assert found.launches is None  # no device on CPU
    assert "| kind |" in traces.text("iql", found)


def test_costs_by_hand():
    events = [
        traces.Event("dot.1", 3000.0, {"bytes_accessed": 8}),
        traces.Event("dot.2", 1000.0, {"bytes_accessed": 2}),
        traces.Event("add", 2000.0, {}),
    ]
    known = traces.meanings('%dot.1 = f32[4,2]{1,0} dot(a, b), metadata={op_name="jit(f)/while/dot_general"}')
    found = traces.costs(events, True, 2, 1.0, known)
    assert found.by_kind == {"dot": 2.0, "add": 1.0}
    assert found.by_operation == {"dot.1 dot_general f32[4,2]": 1.5, "add": 1.0, "dot.2": 0.5}
    assert (found.launches, found.bytes_accessed, found.wall) == (1.5, 5.0, 5e5)


@pytest.mark.parametrize("case", envs.cases(2), ids=lambda case: f"{case.name}-{case.rows}")
def test_every_line_of_the_environments_can_be_measured(case):
    rates = envs.measure(case._replace(rows=2, steps=3), threads=1, rounds=2)
    assert all(rate.shape == (2,) and positive(rate) for rate in rates)


def test_a_line_of_environments_holds_medians_of_rates_and_of_the_quotients_of_each_round():
    case = envs.cases(32)[0]
    rates = envs.Rates(
        np.array([1000.0, 4000.0, 3000.0]), np.array([900.0, 2000.0, 3000.0]), np.array([300.0, 500.0, 600.0])
    )
    # Quotients with the bare batch 0.9, 0.5, 1; with the vector environment 3, 4, 5.
    assert envs.line(case, rates) == "| point maze (umaze) | 32 | 500 | 3,000 | 2,000 | 500 | 0.90 | 4.00 |"


def test_collecting_is_measured_against_bare_physics(monkeypatch):
    monkeypatch.setattr(collecting, "SECONDS", 0.01)
    found = collecting.measure("pointmaze-umaze", 2, 1, rounds=2)
    assert all((each > 0).all() and each.shape == (2,) for each in found[2:])
    assert (found.collecting > np.maximum(found.policy, found.environment) / 2).all()
    made = found._replace(rows=4, bare=np.array([1e-4] * 2), collecting=np.array([5e-4, 7e-4]))
    cells = collecting.line(made._replace(policy=np.array([1e-4] * 2), environment=np.array([2e-4] * 2)))
    assert cells == "| pointmaze-umaze | 4 | 40,000 | 6,857 | 6.00 (5.00-7.00) | 2.0 | 100 | 200 | 300 |"


def test_the_tabletop_is_measured_by_task(monkeypatch):
    monkeypatch.setattr(demonstrations, "ROWS", 1)
    monkeypatch.setattr(vla, "CONTROL_STEPS", 3)
    found = vla.measure("cube-stacking", rows=2, episodes=1, rounds=2)
    assert found.steps.shape == (2,) and found.images.shape == (2, 2)
    assert positive(found.steps, found.images)
    # Each step of 18 or more has an image, seven numbers of the arm, twelve words and an action of seven.
    assert found.bytes % (48 * 64 * 3 + 7 * 4 + 12 * 4 + 7 * 4) == 0 and found.bytes > 18 * 48 * 64 * 3


# Commands.


def test_a_command_prints_a_table_and_writes_what_it_measured(tmp_path, capsys):
    out = tmp_path / "new" / "layouts.json"
    sizes = ["--actions=2", "--batch=4", "--hidden=8", "--seconds=0.001", "--rounds=2"]
    layouts.main([*sizes, f"--out={out}"])
    printed = capsys.readouterr().out.splitlines()
    table = [line for line in printed if line.startswith("|")]
    assert len(table) == 2 + 2 and len({line.count("|") for line in table}) == 1
    written = json.loads(out.read_text())
    assert written["benchmark"] == "layouts" and written["arguments"]["actions"] == [2]
    assert written["git_commit"] and written["versions"]["jax"] == jax.__version__
    assert written["hardware"]["platform"] == "cpu" and written["hardware"]["cores"] >= 1
    assert len(written["results"]) == 2 * 5
    assert all(len(one["step"]) == 2 and positive(one["step"]) for one in written["results"])


def test_diagnostics_are_a_share_of_the_updates_that_they_follow(data):
    found = diagnostics.measure("iql", data, TINY, every=50, duration=0.01, rounds=2)
    assert positive(found.diagnostics, found.update, found.share)
    np.testing.assert_allclose(found.share * (50 * found.update + found.diagnostics), found.diagnostics)


@pytest.mark.parametrize(
    ("command", "argument", "message"),
    [
        *((name, "--rounds=0", "--rounds=0 must be at least 1") for name in COMMANDS),
        ("envs", "--threads=-1", "--threads=-1 must be at least 1"),
        ("updates", "--sizes=256", "'256' is not WIDTHxLAYERS"),
        ("updates", "--algorithms=sac,rankg", "unknown 'rankg'"),
        ("updates", "--trace=rankg", "invalid choice: 'rankg'"),
        ("updates", "--seconds=0", "--seconds=0.0 must be above 0"),
        ("seeds", "--seeds=1,x", "'1,x' is not a list of whole numbers"),
        ("seeds", "--seeds=1,0", "--seeds=0 must be at least 1"),
        ("collecting", "--rows=4,0", "--rows=0 must be at least 1"),
        ("devices", "--batch=3", "must divide --batch=3"),
        ("online", "--tasks=pointmaze-none", "unknown 'pointmaze-none'"),
    ],
)
def test_a_wrong_argument_ends_with_one_line_and_the_status_2(command, argument, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        COMMANDS[command].main([argument])
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert error.startswith(f"benchmarks.{command}: ")


def test_the_synthetic_sizes_are_those_of_the_ant_mazes():
    env = tasks.find(work.TASK).environment(1, 1)
    assert (env.observation_size, env.action_size) == (Sizes().observation, Sizes().action)
