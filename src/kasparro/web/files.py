"""The files that pages are made of: styles, scripts, pictures. Served from the package under one address for all of a release."""

import asyncio
from hashlib import blake2b
from importlib import resources
from importlib.resources.abc import Traversable

from kasparro.serving.operations import Answer, Answered, Call, Operation
from kasparro.serving.problems import not_found

PATH = "/pages/files"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class Files:
    """What there is, and where. The digest of all files stands in each address, so that scripts find one another beside them."""

    def __init__(self) -> None:
        found = _below(resources.files("kasparro.web") / "static")
        self._files = {file.name: file for file in found}
        digest = blake2b(digest_size=8)
        for name in sorted(self._files):
            digest.update(name.encode() + b"\0" + self._files[name].read_bytes())
        self.digest = digest.hexdigest()

    def address(self, name: str) -> str:
        """The path of a file. Raises KeyError where there is none of that name."""
        return f"{PATH}/{self.digest}/{self._files[name].name}"

    def operation(self) -> Operation:
        """What answers with them."""
        return Operation(
            path=f"{PATH}/{{digest}}/{{file}}",
            handle=self.show,
            operation_id="show_page_file",
            summary="What the pages are made of",
            tag="pages",
            path_parameters={"digest": "Of all files.", "file": "The file's name."},
            answers={200: Answered("The file.", media_type="text/plain")},
            documented=False,
        )

    async def show(self, call: Call) -> Answer:
        """A file. Under the digest of another release it is the present one, and must not be kept."""
        name = call.path_parameters["file"]
        file = self._files.get(name)
        if file is None:
            detail = "there is no such file; the pages name those that there are"
            raise not_found(detail)
        keep = _FOR_EVER if call.path_parameters["digest"] == self.digest else "no-cache"
        media_type = _MEDIA_TYPES["." + name.rpartition(".")[2]]
        return Answer(body=await asyncio.to_thread(file.read_bytes), media_type=media_type, headers=[("cache-control", keep)])


def _below(folder: Traversable) -> list[Traversable]:
    return [found for one in folder.iterdir() for found in (_below(one) if one.is_dir() else [one])]
