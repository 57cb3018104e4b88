"""Logging: events with dotted names and fields, for a person on a terminal, as JSON otherwise."""

import logging
import sys
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Whatever a field is called that could hold a credential, its value is not shown.
_SECRET_FIELDS = frozenset({"authorization", "api_key", "token", "password", "x-cg-demo-api-key", "x-cg-pro-api-key"})


def get() -> structlog.stdlib.BoundLogger:
    """The logger; every module binds it once as `log`."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger())


def configure(log_format: Literal["auto", "console", "json"], level: str, stream: TextIO | None = None) -> None:
    """Send our events and those of the libraries to one stream (stderr unless given), in one format."""
    out = stream or sys.stderr
    console = log_format == "console" or (log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_secrets,
    ]
    # Plain tracebacks: the pretty ones print local variables, keys among them.
    pretty = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
    renderer: Processor = pretty if console else structlog.processors.JSONRenderer(_json)
    before: list[Processor] = [_printable] if console else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *before, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # These repeat what our own events say, or speak of every tick.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler", "asyncio", "litestar"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.WARNING)


def _mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event.keys() & _SECRET_FIELDS:
        event[name] = "****"
    return event


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A path that somebody asked for must neither steer the terminal nor make up a line of the log. JSON escapes by itself."""
    for name, value in event.items():
        if isinstance(value, str) and name != "event" and not value.isprintable():
            event[name] = "".join(c if c.isprintable() else repr(c)[1:-1] for c in value)
    return event


def _json(event: Any, **_options: Any) -> str:  # noqa: ANN401  # a log event holds anything
    return msgspec.json.encode(event, enc_hook=repr).decode()
