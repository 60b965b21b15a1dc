"""Random numbers that are drawn before a scan: which they are, and that nothing of them is left in it."""

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax import drawing
from rankq_jax.drawing import scan_drawing_before

TABLE = np.arange(30.0, dtype=np.float32).reshape(10, 3)
DRAWING = ("random_bits", "random_split", "random_fold_in", "threefry2x32")


@jax.jit
def noisy(key, x, scale):
    """A call of which the draw can be made before, and the sum cannot."""
    return x + scale * jax.random.normal(key, x.shape)


def stepping(table):
    """A step with calls, literals, what is closed over, and results of all kinds."""

    def step(carry, each):
        key, number = each
        k_row, k_noise = jax.random.split(key)
        row = table[jax.random.randint(k_row, (), 0, len(table))]
        x = noisy(k_noise, carry["x"] + row, 0.5)
        half = noisy(jax.random.fold_in(k_noise, number), jnp.zeros(3), 2.0)
        carry = {"x": jnp.where(number > 1, x, 2.0 * x), "count": carry["count"] + 1}
        told = {"row": row, "key": jax.random.key_data(k_row), "half": half, "one": 1.0, "x": carry["x"]}
        return carry, told

    return step


def arguments(steps=6):
    keys = jax.random.split(jax.random.key(3), steps)
    return {"x": jnp.ones(3), "count": jnp.int32(0)}, (keys, jnp.arange(steps))


def body(table, *given):
    """The operations within a step, those of calls too, and what the table of the scan is called."""
    traced = jax.make_jaxpr(lambda t, *g: scan_drawing_before(stepping(t), *g))(table, *given)
    (scan,) = [e for e in traced.jaxpr.eqns if e.primitive.name == "scan"]
    return str(scan.params["jaxpr"])


def test_it_is_the_scan(monkeypatch):
    wanted = jax.lax.scan(stepping(jnp.asarray(TABLE)), *arguments())
    for limit in (0, drawing.LIMIT):
        monkeypatch.setattr(drawing, "LIMIT", limit)
        for run in (scan_drawing_before, jax.jit(scan_drawing_before, static_argnums=0)):
            found = run(stepping(jnp.asarray(TABLE)), *arguments())
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, wanted)
            assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, wanted)
            assert [x.dtype for x in jax.tree.leaves(found)] == [x.dtype for x in jax.tree.leaves(wanted)]
            np.testing.assert_array_equal(found[1]["key"], wanted[1]["key"])  # the same bits


def test_nothing_is_drawn_within_a_step():
    plain = str(jax.make_jaxpr(lambda *g: jax.lax.scan(stepping(jnp.asarray(TABLE)), *g))(*arguments()))
    assert "random_bits" in plain and "random_split" in plain
    inside = body(jnp.asarray(TABLE), *arguments())
    assert not any(word in inside for word in DRAWING), inside
    assert "add" in inside and "gather" not in inside and "dynamic_slice" not in inside


def test_large_rows_are_read_within_a_step(monkeypatch):
    monkeypatch.setattr(drawing, "LIMIT", 40)  # bytes; three draws of 12 and a key of 8 take more
    inside = body(jnp.asarray(TABLE), *arguments())
    assert "gather" in inside or "dynamic_slice" in inside
    assert not any(word in inside for word in DRAWING), inside


def test_seeds_map_over_it():
    carry, (keys, numbers) = arguments()
    two = jax.tree.map(lambda x: jnp.stack([x, x + 1]), carry)
    of_seeds = jnp.stack([keys, jax.random.split(jax.random.key(4), 6)])

    def run(scan):
        return jax.vmap(lambda c, k: scan(stepping(jnp.asarray(TABLE)), c, (k, numbers)))(two, of_seeds)

    found, wanted = run(scan_drawing_before), run(jax.lax.scan)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, wanted)


def test_what_has_effects_stays_in_its_place():
    seen = []

    def step(carry, key):
        jax.debug.callback(lambda x: seen.append(int(x)), jax.random.randint(key, (), 0, 100), ordered=True)
        return carry + 1, ()

    keys = jax.random.split(jax.random.key(0), 3)
    scan_drawing_before(step, jnp.int32(0), keys)
    jax.effects_barrier()
    assert seen == [int(jax.random.randint(key, (), 0, 100)) for key in keys]
