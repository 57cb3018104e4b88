"""The review page: what a person should decide about identity. The questions come to the browser with the admin token only."""

from kasparro.resolver.rules import BASE, RULES, SAME, UNSURE
from kasparro.serving.operations import Call, Operation
from kasparro.web import words
from kasparro.web.frame import Frame, View

PATH = "/pages/review"


def pages(frame: Frame) -> list[Operation]:
    """The page."""
    return [frame.page(PATH, show_review, operation_id="show_review_page", summary="What a person should decide")]


async def show_review(call: Call) -> View:
    """The page without any question: those are not for everybody."""
    settings = call.services.settings
    context = {
        "closed": settings.admin_token is None,
        "sources": list(settings.sources),
        "places": words.PLACES,
        "certainties": words.CERTAINTIES,
        "rules": RULES,
        "base": BASE,
        "same": SAME,
        "unsure": UNSURE,
    }
    return View(template="review.html", context=context)
