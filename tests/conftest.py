"""For all tests."""

import gc
import os

# Before torch is imported, here and in the programs that tests start: the tensors are small, so that a second
# thread only waits.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_finish():
    """What was imported stays until the end: the garbage collector need not look at it after each test."""
    gc.collect()
    gc.freeze()
