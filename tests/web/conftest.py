"""The pages are served as the API is: by a real server over a real database."""

from tests.api.conftest import api, api_settings, filled, market

__all__ = ["api", "api_settings", "filled", "market"]
