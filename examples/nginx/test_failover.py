"""Does traffic leave a backend that dies or freezes? Run with `pytest` while the project is up."""

from pathlib import Path


def test_traffic_leaves_a_broken_backend(lab):
    """Run failover.yaml; on a failure, every reason and the report's path are shown."""
    lab.check(Path(__file__).with_name("failover.yaml"))
