"""Properties are checked with the same examples each time, and without a clock: a slow machine is no failure."""

import gc

from hypothesis import HealthCheck, settings

settings.register_profile(
    "transcoded", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("transcoded")


def pytest_collection_finish() -> None:
    """Take what stays anyway out of the garbage collection that ends each test: it takes most of a short test's time."""
    gc.collect()
    gc.freeze()
