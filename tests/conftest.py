"""What all tests share: the data folder, and quiet libraries."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it runs behind `&` so, and programs that tests interrupt inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data folder of real benchmarks and known answers, or skip."""
    path = Path(os.environ.get("MATHLM_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no data folder at {path} (set MATHLM_DATA)")
    return path


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root."""
    return ROOT


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray head of one CPU on this machine, to which tests add nodes that may be lost."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'mathlm[ray]')")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **RAY_NODE})
    yield cluster
    cluster.shutdown()


RAY_NODE = {"include_dashboard": False, "object_store_memory": 80 << 20}
