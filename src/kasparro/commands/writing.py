"""Rows into a file or to stdout: as text, or as Parquet where its library is installed. A file appears whole or not at all."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, get_args

import msgspec

from kasparro.catalog.tables import text_writer
from kasparro.errors import KasparroError

FileFormat: TypeAlias = Literal["csv", "ndjson", "parquet"]
Write: TypeAlias = Callable[[Sequence[msgspec.Struct]], None]

_GROUP_ROWS = 25_000  # of a Parquet row group: they are kept as objects until it is full


class ExportError(KasparroError):
    """Nothing was exported. The message says what to do."""

    code = "export"


def has_parquet() -> bool:
    """Whether Parquet can be written here."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415  # an extra, which most have no use for
    except ImportError:
        return False
    return True


@contextmanager
def writing(row: type[msgspec.Struct], file_format: FileFormat, output: Path | None) -> Iterator[Write]:
    """What writes rows, for as long as the block lasts; without `output` to stdout. Raises ExportError, and BrokenPipeError of stdout."""
    with _opened(output) as file:
        if file_format == "parquet":
            with _parquet(row, file) as write:
                yield write
            return
        lines = text_writer(row, file_format)
        file.write(lines([]))  # of CSV the header line, also where no row follows
        yield lambda rows: _put(file, lines(rows))


def _put(file: IO[bytes], text: bytes) -> None:
    file.write(text)


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    try:
        if output is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif output.exists() and not output.is_file():  # a pipe or a device is written to as it is
            with output.open("wb") as file:
                yield file
        else:
            target = output.resolve()  # where it is a link, what it points at is replaced
            with _removed_on_failure(target.with_name(f".{target.name}.{os.getpid()}.part")) as unfinished:
                with unfinished.open("xb") as file:
                    yield file
                unfinished.replace(target)
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"cannot write {'to stdout' if output is None else output}: {error.strerror or error}"
        raise ExportError(message) from error


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[Path]:
    try:
        yield path
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


@contextmanager
def _parquet(row: type[msgspec.Struct], file: IO[bytes]) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {str: pa.string(), float: pa.float64(), int: pa.int64(), datetime: pa.timestamp("us", tz="UTC"), tuple: pa.list_(pa.string())}
    columns = msgspec.structs.fields(row)
    schema = pa.schema([pa.field(c.name, types[_plain(c.type)]) for c in columns])
    group: list[msgspec.Struct] = []
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            arrays = [pa.array([getattr(r, f.name) for r in group], type=f.type) for f in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            group.clear()

        def write(rows: Sequence[msgspec.Struct]) -> None:
            group.extend(rows)
            if len(group) >= _GROUP_ROWS:
                flush()

        yield write
        if group:
            flush()


def _plain(declared: Any) -> type:  # noqa: ANN401  # what a struct says of a field
    """The type of a field without None: `float | None` is a float, `tuple[str, ...]` a tuple."""
    options = [option for option in get_args(declared) if option not in (type(None), Ellipsis)]
    if getattr(declared, "__origin__", None) is tuple:
        return tuple
    return options[0] if options else declared  # type: ignore[no-any-return]
