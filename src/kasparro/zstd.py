"""zstd, which Python has from 3.14 on and a package of the same interface before."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
