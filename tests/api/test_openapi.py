"""The OpenAPI document against the service itself."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.api.conftest import TOKEN, Server


# Its phase "coverage" tries every bound of every parameter however many examples are drawn beside.
@pytest.mark.slow
@pytest.mark.parametrize("examples", [5, pytest.param(50, marks=pytest.mark.torture)])
async def test_schemathesis_finds_nothing(filled: Server, tmp_path: Path, examples: int) -> None:
    """No 500, no undocumented status, no answer that breaks its schema and no bad input taken, in all phases."""
    # One check is left out: that all input which the schema allows is taken. A cursor is text that only the service can
    # make, and /resolve wants one of three ways to ask; neither can be said in a schema.
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        *("run", f"{filled.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
        *("--seed", "1", "--max-examples", str(examples)),
        *("--exclude-checks", "positive_data_acceptance", "--no-color"),
        *("--exclude-path", "/stream"),  # it does not end
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
