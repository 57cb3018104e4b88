"""Tables of figures, and what can be asked for."""

import json
import re
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import arguments
from tests.benchmarks.report import WIDTH, Bound, Line, Topic, show, write

FIGURES: dict[str, float | None] = {
    "ours\nus": 534_286.0,
    "nginx\nus": 1_217.0,
    "usual\nus": None,
    "ours /\nnginx": 710.0,
    "usual /\nours": 94.5,
}
TOPIC = Topic(
    "Reads", [Line("/coins/{id}, 5,000 coins", FIGURES, [Bound(2.36, 1.1, "1.1 x /data: 2.36"), Bound(1.0, 1.0, "1")])], ["a note"]
)


def test_a_table_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A full line stays within the width with its bounds beside it, and says of each whether it holds."""
    show([TOPIC])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= WIDTH
    assert re.search(r"1\.1 x /data: 2\.36 +no *\n *1 +yes", printed)


def test_figures_are_kept_as_numbers(tmp_path: Path) -> None:
    """The JSON file has every figure unrounded, each bound, and null for what could not be measured."""
    write([TOPIC], tmp_path / "found.json")
    [topic] = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    [line] = topic["lines"]
    assert line["figures"] == {name.replace("\n", " "): value for name, value in FIGURES.items()}
    assert [bound["holds"] for bound in line["bounds"]] == [False, True]


def test_an_unknown_benchmark_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none ends with usage, and the message lists those that there are."""
    with pytest.raises(SystemExit) as ended:
        arguments(["raeds"])
    assert ended.value.code == 2
    assert "raeds" in (said := capsys.readouterr().err)
    assert "reads" in said
