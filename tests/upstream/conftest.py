"""The fake upstream, for its own tests."""

from tests.upstream.fixtures import upstream

__all__ = ["upstream"]
