"""The fake upstream, for the tests of the client."""

from tests.upstream.fixtures import upstream

__all__ = ["upstream"]
