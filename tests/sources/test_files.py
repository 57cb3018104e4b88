"""What the files of a folder mean, read from CSV alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kasparro.clock import FakeClock
from kasparro.errors import AbortError, SkipError
from kasparro.records import ListingContract, Page
from kasparro.sources.base import Fetched
from kasparro.sources.files import FOLDER, PRICES, Files
from kasparro.sources.folder import FolderReader
from kasparro.sources.rows import Reason
from tests.conftest import make_settings
from tests.sources.parsing import FETCHED_AT, parsed, reasons

HEADER = "id,symbol,name,price_usd,observed_at,market_cap_usd,volume_24h_usd,contracts"
OBSERVED = "2026-05-06T07:07:00Z"
FILES = Files(make_settings(KASPARRO_FILES_DIR="/nonexistent").sources["files"])


def page_of(text: str | bytes) -> Page:
    """The page that a file amounts to."""
    return parsed(FILES, PRICES, "some.csv", text.encode() if isinstance(text, str) else text)


def test_a_row_is_a_listing_with_its_quote_and_contracts() -> None:
    """Columns come in any order and case, byte order mark and line ends belong to no cell, and unknown columns stay with the quote."""
    text = (
        "\ufeffName,ID,Symbol,observed_at,price_usd,Note,market_cap_usd,volume_24h_usd,contracts\r\n"
        f'"Some, Coin",some-coin,sc,{OBSERVED},1e-18,mine,0,12.5,"ethereum:0xAb|solana:Mint sui:0x2::s::S"\r\n\r\n'
    )

    page = page_of(text)

    assert (page.rows_received, page.rows_without_price, page.rejects) == (1, 0, [])
    listing, quote = page.listings[0], page.quotes[0]
    assert (listing.source, listing.source_id, listing.symbol, listing.name, listing.active) == (
        "files",
        "some-coin",
        "SC",
        "Some, Coin",
        True,
    )
    assert (quote.price, quote.market_cap, quote.volume_24h) == (1e-18, None, 12.5)
    assert quote.observed_at == datetime(2026, 5, 6, 7, 7, tzinfo=UTC)
    assert msgspec.json.decode(quote.raw)["note"] == "mine"
    assert page.contracts == [
        ListingContract(source_id="some-coin", platform=platform, address=address)
        for platform, address in [("ethereum", "0xAb"), ("solana", "Mint"), ("sui", "0x2::s::S")]
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"a,A,Coin,12 USD,{OBSERVED},,,", Reason.PRICE_NOT_NUMBER),
        (f'a,A,Coin,"1,000",{OBSERVED},,,', Reason.PRICE_NOT_NUMBER),
        (f"a,A,Coin,nan,{OBSERVED},,,", Reason.PRICE_NOT_NUMBER),
        (f"a,A,Coin,-1,{OBSERVED},,,", Reason.PRICE_NOT_POSITIVE),
        (f"a,A,Coin,1e400,{OBSERVED},,,", Reason.PRICE_OUT_OF_RANGE),
        ("a,A,Coin,1,2026-05-06 07:07:00,,,", Reason.TIME_UNREADABLE),
        ("a,A,Coin,1,2026-05-07T11:59:00Z,,,", Reason.TIME_IN_FUTURE),
        (f",A,Coin,1,{OBSERVED},,,", Reason.ID_EMPTY),
        (f"a,A,,1,{OBSERVED},,,", Reason.NAME_EMPTY),
        (f"a,A,Coin,1,{OBSERVED}", Reason.CELLS_MISCOUNTED),
        (f'a,A,"Coin,1,{OBSERVED},,,', Reason.ROW_NOT_CSV),
        (f"a,A,{'C' * 200_000},1,{OBSERVED},,,", Reason.ROW_TOO_LONG),
        (f"a,A,Coin,1,{OBSERVED},,,ethereum", Reason.CONTRACT_UNUSABLE),
        (f"a,A,Coin,1,{OBSERVED},,,ethereum:0x\x001", Reason.CONTRACT_UNUSABLE),
        (f"a,A,Coin,1,{OBSERVED},,,{' '.join(f'e:{n}' for n in range(101))}", Reason.CONTRACT_TOO_MANY),
    ],
)
def test_a_bad_row_costs_that_row(row: str, reason: Reason) -> None:
    """It is a reject with its reason, and the rows around it are read."""
    good = [f"{name},{name},Coin {name},1,{OBSERVED},,," for name in ("x", "y")]

    page = page_of("\n".join([HEADER, good[0], row, good[1]]))

    assert reasons(page) == [reason]
    assert {"x", "y"} <= {q.source_id for q in page.quotes}
    assert page.rows_received == 3


def test_a_row_in_another_encoding_is_a_reject() -> None:
    """What is not UTF-8 is not guessed at."""
    page = page_of(f"{HEADER}\na,A,Caf\u00e9,1,{OBSERVED},,,\n".encode("latin-1"))

    assert reasons(page) == [Reason.ROW_NOT_UTF8]


def test_of_two_rows_of_one_listing_the_newer_quote_stays() -> None:
    """The other is a reject, wherever in the file it stands."""
    old, new = (f"a,A,Coin,{price},2026-05-06T06:{minute}:00Z,,," for price, minute in [(1, "10"), (2, "20")])

    for rows in ([old, new], [new, old]):
        page = page_of("\n".join([HEADER, *rows]))
        assert [q.price for q in page.quotes] == [2.0]
        assert reasons(page) == [Reason.TWICE]


def test_a_row_without_price_is_a_listing_without_quote() -> None:
    """An empty cell means that it is not known."""
    page = page_of(f"{HEADER}\na,A,Coin,,{OBSERVED},,,\n")

    assert (len(page.listings), page.quotes, page.rows_without_price, page.rejects) == (1, [], 1, [])


@pytest.mark.parametrize("header", ["", "id,symbol,name", f"{HEADER},id", '"id', HEADER.replace(",", ";")])
def test_a_file_without_its_columns_is_refused(header: str) -> None:
    """The error names the file and the columns that it needs."""
    with pytest.raises(SkipError, match=r"some\.csv: the first line"):
        page_of(f"{header}\na,A,Coin,1,{OBSERVED}\n")


def test_the_names_of_the_files_are_the_parts() -> None:
    """A file that is no longer there is no part any more; a path is no name."""
    page = parsed(FILES, PRICES, FOLDER, b'["a.csv","b.CSV"]')
    assert (page.next_parts, page.is_index) == (("a.csv", "b.CSV"), True)
    for part in ("../a.csv", "a.txt", "/a.csv"):
        with pytest.raises(SkipError):
            FILES.request(PRICES, part)


class Reading:
    """A reader of a folder of the test's own."""

    def __init__(self, folder: Path, **bounds: Any) -> None:
        settings = make_settings(KASPARRO_FILES_DIR=str(folder))
        self.folder, self.source = folder, settings.sources["files"]
        self.reader = FolderReader(msgspec.structs.replace(settings, **bounds), FakeClock(FETCHED_AT))

    async def fetch(self, part: str, committed: bytes = b"") -> Fetched:
        """What a part's request brings."""
        return await self.reader.fetch(self.source, FILES.request(PRICES, part), on_call=None, committed=committed)


async def test_a_folder_is_its_plain_csv_files(tmp_path: Path) -> None:
    """Hidden files, other endings, folders and links to nothing are left out; an empty folder and a missing one are errors that name it."""
    reading = Reading(tmp_path)
    with pytest.raises(AbortError, match="no CSV file"):
        await reading.fetch(FOLDER)
    for name in ("b.csv", "A.CSV", ".hidden.csv", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.csv").mkdir()
    (tmp_path / "e.csv").symlink_to(tmp_path / "nothing")

    assert msgspec.json.decode((await reading.fetch(FOLDER)).body) == ["A.CSV", "b.csv"]
    with pytest.raises(AbortError, match="KASPARRO_FILES_DIR"):
        await Reading(tmp_path / "missing").fetch(FOLDER)


async def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path) -> None:
    """Not where its digest is the committed one; a change of the same length is seen, and another process's digest is not believed."""
    reading, file = Reading(tmp_path), tmp_path / "a.csv"
    file.write_bytes(b"one")
    first = await reading.fetch("a.csv")

    again = await reading.fetch("a.csv", first.digest)
    other = await reading.fetch("a.csv", b"other")
    replacement = tmp_path / "next"
    replacement.write_bytes(b"two")
    replacement.rename(file)
    changed = await reading.fetch("a.csv", first.digest)

    assert (again.body, again.digest) == (b"", first.digest)
    assert (other.body, changed.body) == (b"one", b"two")


async def test_a_file_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    """No more than the bound is read, and one that vanished meanwhile is an error of that file alone."""
    (tmp_path / "a.csv").write_bytes(b"12345")

    assert (await Reading(tmp_path, file_bytes_max=5).fetch("a.csv")).body == b"12345"
    with pytest.raises(SkipError, match="larger than 4 bytes"):
        await Reading(tmp_path, file_bytes_max=4).fetch("a.csv")
    with pytest.raises(SkipError, match=r"gone\.csv"):
        await Reading(tmp_path).fetch("gone.csv")
