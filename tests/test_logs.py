"""What the log does with what others have written."""

import io
import json

import pytest

from kasparro import logs


@pytest.mark.parametrize("form", ["console", "json"])
def test_nobody_else_writes_lines_or_steers_the_terminal(form: str) -> None:
    """A line end or an escape in a field is shown and not carried out; letters of all languages stay."""
    shown = io.StringIO()
    logs.configure(form, "info", shown)  # type: ignore[arg-type]
    logs.get().info("http.request", path="/a\r\n2026-01-01 [info] run.finished\x1b[2J\u2028", name="Bücher 本")
    text = shown.getvalue()
    assert text.count("\n") == 1
    assert "\x1b[2J" not in text
    said = json.loads(text)["path"] if form == "json" else text
    assert "run.finished" in said
    assert "Bücher 本" in text


def test_a_traceback_keeps_its_lines() -> None:
    """On the console, where it is read."""
    shown = io.StringIO()
    logs.configure("console", "info", shown)
    try:
        {}["x"]
    except LookupError:
        logs.get().exception("it.failed")
    assert len(shown.getvalue().splitlines()) > 3
