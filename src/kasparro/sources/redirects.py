"""Where a redirect may lead: to the same host, once. Pure."""

from http import HTTPStatus

from yarl import URL

from kasparro.errors import SkipError
from kasparro.sources.answers import one_line

REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


def redirected(base: URL, location: str, where: str, source: str) -> URL:
    """Where a redirect leads, if that is the same host. The scheme and the port stay the base URL's: a key is not sent in the clear.

    Raises SkipError where it leads anywhere else.
    """
    try:
        target = base.join(URL(location))
    except ValueError:
        target = URL()
    if not location or target.host != base.host:
        message = f"{where}: redirected to {one_line(target.host or 'nowhere')}, which is not followed; is {source.upper()}_BASE_URL right?"
        raise SkipError(message, code="redirected")
    return base.with_path(target.raw_path, encoded=True).with_query(target.query)
