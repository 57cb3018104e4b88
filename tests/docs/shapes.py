"""Answers of documents beside real ones: by their shape, since prices and times are others each time."""

import json
import re
from typing import Any

_REST = "…"  # stands for what a document leaves out: a value, or the members or elements that follow


def documented(text: str) -> Any:
    """The value that a document shows. `:…` is any value; `, …}` and `, …]` any further members or elements."""
    filled = re.sub(r":\s*…", f':"{_REST}"', text)
    filled = re.sub(r",\s*…\s*}", f', "{_REST}": 0}}', filled)
    filled = re.sub(r"\[\s*…\s*]", f'["{_REST}"]', filled)
    return json.loads(re.sub(r",\s*…\s*]", f', "{_REST}"]', filled))


def differences(shown: Any, real: Any, where: str = "") -> list[str]:
    """What of the shown shape the real value does not have: names and their order, kinds of values, number of elements."""
    if shown == _REST or real is None:
        return []
    if isinstance(shown, dict) and isinstance(real, dict):
        names = [name for name in shown if name != _REST]
        there = [name for name in real if name in names or _REST not in shown]
        found = [] if names == there else [f"{where or 'it'} has {there}, the document shows {names}"]
        return found + [d for name in names if name in real for d in differences(shown[name], real[name], f"{where}.{name}")]
    if isinstance(shown, list) and isinstance(real, list):
        wanted = [element for element in shown if element != _REST]
        found = [] if len(real) >= len(wanted) else [f"{where or 'it'} has {len(real)} elements, the document shows {len(wanted)}"]
        return found + [d for n, (a, b) in enumerate(zip(wanted, real, strict=False)) for d in differences(a, b, f"{where}[{n}]")]
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    if shown is not None and kinds[type(shown)] != kinds[type(real)]:
        return [f"{where or 'it'} is {kinds[type(real)]}, the document shows {kinds[type(shown)]}"]
    return []


def pattern(line: str) -> str:
    """A line of text with its numbers, times and ids taken out, for answers that are no JSON."""
    return re.sub(r"\d[\d.,:TZ+-]*", "#", re.sub(r"\s+", " ", line)).strip()
