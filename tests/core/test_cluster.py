"""Tasks on several machines: the same outcomes in the same order, also when one is lost."""

from __future__ import annotations

import os
import random
import sys
import threading
import time

import pytest

from mathlm.core.cluster import RayTasks, executor_for
from mathlm.core.errors import MachineError, UserError
from mathlm.core.executor import Local


def doubled(number: int) -> tuple[int, int]:
    time.sleep(0.05)
    return 2 * number, os.getppid()


def refused(number: int) -> int:
    raise UserError(f"no such thing: {number}")


def dies(number: int) -> int:
    os._exit(3)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_order_errors_and_a_lost_node(ray_cluster):
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    node = ray_cluster.add_node(num_cpus=1)
    with executor_for(ray_cluster.address, 1) as executor:
        assert isinstance(executor, RayTasks)
        assert executor.workers >= 2  # one that was lost before may still be counted
        found = list(executor.map(doubled, range(40)))
        assert [value for value, _ in found] == [2 * n for n in range(40)]
        assert len({parent for _, parent in found}) == 2, "both nodes have worked"
        with pytest.raises(UserError, match="no such thing: 0"):
            list(executor.map(refused, range(3)))
        assert list(executor.map(doubled, [])) == []
        delay = random.Random().uniform(0, 1.0)
        killer = threading.Timer(delay, ray_cluster.remove_node, (node, False))
        killer.start()
        values = [value for value, _ in executor.map(doubled, range(40))]
        assert values == [2 * n for n in range(40)], f"killed after {delay} s"
        killer.join()


def test_a_task_that_kills_its_process_is_an_error_in_the_end(monkeypatch):
    with Local(2) as executor, pytest.raises(MachineError, match="dies: crashed"):
        list(executor.map(dies, range(3)))


@pytest.mark.ray
def test_no_cluster_is_told_in_one_line():
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'mathlm[ray]')")
    with pytest.raises(UserError, match="no cluster at") as caught:
        RayTasks("127.0.0.1:1", 1).__enter__()
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_process_is_still_a_mistake():
    with Local(2) as executor, pytest.raises(UserError, match="no such thing"):
        list(executor.map(refused, range(3)))
