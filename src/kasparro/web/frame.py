"""What all pages have in common: templates, headers, and problems as pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from kasparro import __version__
from kasparro.clock import in_pieces
from kasparro.records import Pieces
from kasparro.serving import answering
from kasparro.serving.answering import answered
from kasparro.serving.attribution import ATTRIBUTION
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.operations import Answer, Answered, Call, Operation
from kasparro.serving.problems import ProblemError
from kasparro.serving.standing import health_of
from kasparro.web import figures, words
from kasparro.web.files import Files

if TYPE_CHECKING:
    from jinja2 import Environment, Template

HTML = "text/html; charset=utf-8"
# Nothing from outside, nothing that stands in a page itself, and nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_NAVIGATION = (("Coins", "/"), ("Runs", "/pages/runs"), ("Review", "/pages/review"), ("API", "/docs"))


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A page to be drawn: a template and what it shows."""

    template: str
    context: Mapping[str, Any] = {}
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Make = Callable[[Call], Awaitable[View | Answer]]


class Frame:
    """Draws pages. The templates are read when the first page is asked for: a service that only machines ask never needs them."""

    def __init__(self, services: Dependencies, files: Files) -> None:
        self._services, self._files = services, files
        self._environment: Environment | None = None
        self._templates: dict[str, Template] = {}

    def page(
        self,
        path: str,
        make: Make,
        *,
        operation_id: str,
        summary: str,
        path_parameters: dict[str, str] | None = None,
    ) -> Operation:
        """An operation that answers with a page, whatever happens."""

        async def handle(call: Call) -> Answer:
            made = await self._made(make, call)
            return await self._drawn(made, call.path) if isinstance(made, View) else made

        return Operation(
            path=path,
            handle=handle,
            operation_id=operation_id,
            summary=summary,
            tag="pages",
            page=True,
            path_parameters=path_parameters or {},
            answers={200: Answered("A page.", media_type="text/html")},
            documented=False,
        )

    async def _made(self, make: Make, call: Call) -> View | Answer:
        try:
            return await answered(call, make(call), answering.GET_SECONDS_MAX)
        except ProblemError as problem:
            return _problem_view(problem)

    async def _drawn(self, view: View, path: str) -> Answer:
        template = self._templates.get(view.template)
        if template is None:
            template = await asyncio.to_thread(self._read, view.template)
        context = {"standing": health_of(self._services), "here": path, "now": self._services.clock.now(), **view.context}
        body = await in_pieces(_text(template, context), self._services.clock)
        headers = [("content-security-policy", POLICY), ("cache-control", "no-cache"), *view.headers]
        return Answer(body=body.encode("utf-8", "replace"), status=view.status, media_type=HTML, headers=headers)

    def _read(self, name: str) -> "Template":
        """A template, compiled. Called in a thread: reading the first one takes a tenth of a second."""
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  # see the class

        if self._environment is None:
            environment = Environment(
                loader=PackageLoader("kasparro.web"),
                autoescape=True,
                undefined=StrictUndefined,
                trim_blocks=True,
                lstrip_blocks=True,
                auto_reload=False,
            )
            environment.filters |= {
                "price": figures.price,
                "amount": figures.amount,
                "percent": figures.percent,
                "whole": figures.whole,
                "span": figures.span,
                "moment": figures.moment,
                "iso": figures.iso,
                "segment": lambda text: quote(text, safe=""),
            }
            environment.globals |= {
                "file": self._files.address,
                "version": __version__,
                "navigation": _NAVIGATION,
                "attribution": ATTRIBUTION,
                "source_name": words.source_name,
                "source_badge": words.source_badge,
            }
            self._environment = environment
        template = self._templates[name] = self._environment.get_template(name)
        return template


def _text(template: "Template", context: dict[str, Any]) -> Pieces[str]:
    parts: list[str] = []
    for part in template.generate(context):
        parts.append(part)
        yield
    return "".join(parts)


def _problem_view(problem: ProblemError) -> View:
    context = {"title": problem.title, "detail": str(problem), "candidates": problem.candidates}
    return View(template="problem.html", context=context, status=problem.status, headers=problem.headers)
