"""What happens inside one dispatch of many updates: no tracing again, nothing between host and devices."""

import jax
import numpy as np
import pytest

from rankq_jax.data import mixture
from rankq_jax.lifting import scan_updates, vmap_seeds, with_sampling
from rankq_jax.parallel import distributed, seeds_over_devices
from rankq_jax.phases import Phase
from tests.conftest import make_agent
from tests.loop_setting import Recorded, dataset, follow, make_setup

__all__ = ["dataset"]  # a fixture


def lifted(agent, layout, sequential):
    agent = scan_updates(with_sampling(agent, mixture.uniform(16)), 4)
    return distributed(vmap_seeds(agent, mixture.of_seed, sequential=sequential), layout, mixture.DEVICE_AXES)


def execute(dataset, agent, layout):
    online = Phase("online", agent, 4, 150, 4, 0.0, 4, lambda steps: 0.5, 0, 0, 0)
    plan = (Phase("offline", agent, 3, 0, 8, 0.0, 4, lambda steps: 1.0, 0, 0, 0), online)
    return follow(plan, make_setup(dataset, [0, 1]), layout, Recorded())


@pytest.mark.parametrize("sequential", [False, True])
def test_an_update_is_traced_in_the_first_epoch_alone(dataset, sequential):
    traces, after_dispatch = [], []
    base = make_agent("rankq")

    def counted(state, batch, key):
        traces.append(batch.reward.shape)
        return base.update(state, batch, key)

    layout = seeds_over_devices(2, jax.devices()[:1])
    agent = lifted(base._replace(update=counted), layout, sequential)

    def told(*arguments):
        result = agent.update(*arguments)
        after_dispatch.append(len(traces))
        return result

    execute(dataset, agent._replace(update=told), layout)
    assert len(after_dispatch) == 3 * 2 + 4  # 8 updates in fours, three times; then 4 a round
    assert after_dispatch[0] > 0 and set(after_dispatch) == {after_dispatch[0]}


@pytest.mark.parametrize("name", ["rankq", "cal_ql", "iql", "td3_bc"])
def test_nothing_travels_between_host_and_devices_inside_an_epoch(dataset, name):
    layout, dispatches, programs = seeds_over_devices(2, jax.devices()), [], []
    agent = lifted(make_agent(name), layout, True)

    def guarded(*arguments):
        if not programs:  # what is compiled is looked at below; constants may travel at the first call
            programs.append(str(jax.make_jaxpr(agent.update)(*arguments)))
            return agent.update(*arguments)
        with jax.transfer_guard("disallow_explicit"):
            dispatches.append(arguments)
            return agent.update(*arguments)

    execute(dataset, agent._replace(update=guarded), layout)
    assert len(dispatches) == 3 * 2 + 4 - 1
    # On CPU reading an array back is no transfer, so a program that talks to the host must show elsewhere.
    assert "scan" in programs[0] and "callback" not in programs[0] and "outfeed" not in programs[0]


def test_the_guard_would_see_an_array_of_the_host(dataset):
    layout = seeds_over_devices(2, jax.devices())
    agent = lifted(make_agent("bc"), layout, True)

    def careless(state, sources, keys):
        with jax.transfer_guard("disallow_explicit"):
            return agent.update(state, sources._replace(mixing_ratio=np.ones((2, 1), np.float32)), keys)

    with pytest.raises(Exception, match=r"[Dd]isallowed host-to-device"):
        execute(dataset, agent._replace(update=careless), layout)
