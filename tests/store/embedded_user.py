"""A process that uses an embedded server: prints what it got as JSON, watches the server, and leaves when its input ends."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from kasparro import logs
from kasparro.errors import KasparroError
from kasparro.store.embedded import open_embedded


async def main(folder: str, kind: str) -> None:
    """Use the server of a folder as `serve` or as `command`."""
    logs.configure("json", "info")  # to stderr
    try:
        server = await open_embedded(Path(folder), serve=kind == "serve", holder="http://127.0.0.1:8000")
    except KasparroError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)  # noqa: T201  # it speaks to the test
        return
    print(json.dumps({"url": server.url, "started": server.started}), flush=True)  # noqa: T201  # see above
    watching = asyncio.create_task(server.watch())
    await asyncio.to_thread(sys.stdin.read)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    await server.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
