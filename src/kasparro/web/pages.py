"""Every page, with the paths that they are at: the coins at /, the rest under /pages."""

from kasparro.serving.dependencies import Dependencies
from kasparro.serving.operations import Operation
from kasparro.web import coin, coins, review, run, runs
from kasparro.web.files import Files
from kasparro.web.frame import Frame
from kasparro.web.sparks import Sparks


def pages(services: Dependencies) -> list[Operation]:
    """What people are answered with. A page that has its path in common with the API is for those that ask for HTML."""
    files = Files()
    frame = Frame(services, files)
    sparks = Sparks(services)
    return [
        *coins.pages(frame, sparks),
        *coin.pages(frame, sparks),
        *runs.pages(frame),
        *run.pages(frame),
        *review.pages(frame),
        files.operation(),
    ]
