"""The image, built once, and what its containers need: a Postgres that listens on TCP and a market."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from kasparro.store import binaries
from tests.image import building
from tests.image.building import Image
from tests.image.running import Container
from tests.upstream.fixtures import upstream

__all__ = ["upstream"]

Started = Callable[..., Container]


@pytest.fixture(scope="session")
def image(session_folder: Path) -> Iterator[Image]:
    """The image as built from this checkout."""
    folder = session_folder / "image"
    folder.mkdir()
    with building.built(folder) as found:
        yield found


@pytest.fixture(scope="session")
async def server(session_folder: Path) -> AsyncIterator[str]:
    """The address of a Postgres outside the image: containers come to it over TCP, as they come to any."""
    folder = session_folder / "server"
    folder.mkdir()
    user = binaries.server_user(folder)
    installation = await binaries.within_reach(await binaries.choose(folder), user, session_folder)
    assert binaries.initialise(installation, user, folder, durable=False) is None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    command = [str(installation.folder / "postgres"), "-D", ".", *(f"--{name}={value}" for name, value in options.items())]
    as_user = {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": ()}
    with (session_folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_user)  # noqa: ASYNC220  # uvloop cannot change the user
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}"
        await _until_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


async def _until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.poll() is None
            try:
                connection = await asyncpg.connect(f"{url}/postgres")
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
            else:
                await connection.close()
                return


@pytest.fixture
async def database(server: str) -> AsyncIterator[str]:
    """An empty database of the test's own."""
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute("CREATE DATABASE of_the_image")
    yield f"{server}/of_the_image"
    await connection.execute("DROP DATABASE of_the_image WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def container(image: Image) -> AsyncIterator[Started]:
    """Make containers of the image; those that still run at the end are killed."""
    made: list[Container] = []

    def make(**options: object) -> Container:
        made.append(Container(image, **options))  # type: ignore[arg-type]  # as Container takes them
        return made[-1]

    yield make
    for one in made:
        await one.kill()
