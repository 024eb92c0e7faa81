"""For all tests."""

import gc


def pytest_collection_finish():
    """What was imported stays until the end: the garbage collector need not look at it after each test."""
    gc.collect()
    gc.freeze()
