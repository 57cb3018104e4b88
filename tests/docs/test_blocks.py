"""Every command and example of the documents is run, or stands in a list that says why it is not."""

import json

import pytest

from tests.docs import accounted, shapes
from tests.docs.blocks import Block, Step, all_blocks, blocks, program_of
from tests.docs.conftest import Scene

SHELL = [block for block in all_blocks() if block.is_shell and (block.page, block.first) not in accounted.ELSEWHERE]
PAGES = sorted({block.page for block in SHELL})


def test_no_block_is_left_out() -> None:
    """A block holds commands, which the next test runs, or is accounted for; and nothing is accounted for that is not there."""
    others = {(block.page, block.first) for block in all_blocks() if not block.is_shell}

    assert others == set(accounted.BLOCKS), "a block that nobody runs: make it commands, or say in accounted.py what holds it"
    assert set(accounted.ELSEWHERE) <= {(block.page, block.first) for block in all_blocks()}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
async def test_blocks_of_the_page_work(scene: Scene, page: str) -> None:
    """Each command as printed ends well, and answers in the shape that stands under it."""
    failures = []
    for block in (block for block in SHELL if block.page == page):
        failures += [f"{page}:{block.line}: {failure}" for failure in await _failures(scene, block)]
    assert not failures, "\n".join(failures)


async def _failures(scene: Scene, block: Block) -> list[str]:
    steps = [step for step in block.steps() if program_of(step.command) not in accounted.PROGRAMS]
    if not any(step.answer for step in steps):
        # One script, so that a line may use what those before it have set.
        steps = [Step("\n".join(step.command for step in steps), "")]
    failures = []
    for step in steps:
        code, said = await scene.run(step.command)
        if code:
            failures.append(f"exit code {code} of\n{step.command}\n{said}")
        elif step.answer:
            failures += [f"{step.command}\n{difference}" for difference in _differences(step.answer, said)]
    return failures


def _differences(shown: str, real: str) -> list[str]:
    if shown.lstrip().startswith(("[", "{")):
        return shapes.differences(shapes.documented(shown), json.loads(real))
    wanted = [shapes.pattern(line) for line in shown.splitlines() if line.strip() not in ("", "…")]
    there = [shapes.pattern(line) for line in real.splitlines()]
    return [f"no line is like: {line}\nthere are:\n{real}" for line in wanted if line not in there]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Words.\n\n    make run\n    kasparro demo   # a remark\n\nMore.", [("make run", ""), ("kasparro demo   # a remark", "")]),
        ("```sh\ncurl -s \\\n  x\n```", [("curl -s    x", "")]),
        ('\n    $ curl -s x\n    {"a":1}\n    $ make\n', [("curl -s x", '{"a":1}\n'), ("make", "")]),
    ],
)
def test_blocks_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    """Indented and fenced blocks are read as commands and their answers."""
    (block,) = blocks("a page", text)

    assert block.is_shell
    assert [tuple(step) for step in block.steps()] == expected


@pytest.mark.parametrize(
    ("shown", "real", "as_shown"),
    [
        ('{"a":1,"b":[…]}', '{"a":2.5,"b":[1,2]}', True),
        ('{"a":1, …}', '{"a":2,"b":3}', True),
        ('{"a":1}', '{"a":2,"b":3}', False),
        ('{"b":1, …}', '{"a":2,"b":3}', True),
        ('{"b":1,"a":1, …}', '{"a":2,"b":3}', False),
        ('{"c":1, …}', '{"a":2,"b":3}', False),
        ('{"a":"x"}', '{"a":2}', False),
        ('{"a":…}', '{"a":null}', True),
        ('[{"a":1},{"a":1}]', '[{"a":1}]', False),
        ('[{"a":1}, …]', '[{"a":1},{"b":2}]', True),
    ],
)
def test_shapes_are_compared(shown: str, real: str, *, as_shown: bool) -> None:
    """Names and their order, kinds of values and the number of elements count; values do not."""
    assert (shapes.differences(shapes.documented(shown), json.loads(real)) == []) is as_shown
