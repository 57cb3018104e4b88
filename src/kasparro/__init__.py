"""One coin once, with a price that says where it comes from."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("kasparro")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0"
