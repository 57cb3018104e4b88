"""The pages of the runs and of the review as they come over the wire, without a browser."""

from datetime import timedelta

import msgspec
import pytest

from kasparro.resolver.rules import RULES
from kasparro.serving.stats import Budget
from kasparro.store.pool import Database
from kasparro.web import figures, outcomes
from tests.api.conftest import TOKEN, Server, api_over
from tests.api.factory import NOW, Market
from tests.conftest import make_settings
from tests.web.test_pages import Page, page

BOTH = {"coingecko": "succeeded", "coinpaprika": "succeeded"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def labels(found: Page) -> list[str]:
    """What the timeline says of each run to those who do not see it."""
    return [str(a["title"]) for tag, a in found.tags if tag == "a" and str(a.get("title", "")).startswith("Run ")]


async def test_before_any_run_the_page_says_so(api: Server) -> None:
    """Nothing is there yet, and nothing fails: every part says what is missing."""
    status, found, _, text = await page(api, "/pages/runs")
    assert status == 200
    assert "No run has begun yet" in text
    assert "Starting: the first prices are being fetched." in text
    assert "None: the sources' answers look as they always did." in text.replace("&#39;", "'")
    assert labels(found) == []
    assert "No older run is known" in (await page(api, "/pages/runs?to=5"))[3]


async def test_every_run_is_a_mark_that_says_its_outcome(api: Server, market: Market) -> None:
    """Newest first, each in words as well as in a shape, and each leads to the run's page."""
    await market.run(outcomes=BOTH, age=600)
    await market.run(status="degraded", outcomes={"coingecko": "failed", "coinpaprika": "succeeded"}, error="refused", age=300)
    await market.run(status="interrupted", age=200)
    await market.run(status="running", age=5)
    await api.refresh()
    _, found, _, text = await page(api, "/pages/runs")
    assert [label.partition(", on schedule: ")[2] for label in labels(found)] == [
        "CoinGecko running, CoinPaprika running",
        "CoinGecko interrupted, CoinPaprika interrupted",
        "CoinGecko failed, CoinPaprika succeeded",
        "CoinGecko succeeded, CoinPaprika succeeded",
    ]
    assert [link for link in found.links if link.startswith("/pages/runs/")][:4] == [
        "/pages/runs/4", "/pages/runs/4", "/pages/runs/3", "/pages/runs/2",
    ]  # fmt: skip
    assert text.count('<use href="#is-failed"/>') == 2  # the run's, and the key's
    assert found.inline == []


async def test_a_run_at_work_shows_how_far_it_is(api: Server, market: Market) -> None:
    """What was committed since it began, and how to see more of it without scripts; parts from before do not count."""
    await market.run(status="running", age=90)
    for part, age in (("1", 60), ("2", 30), ("3", 600)):
        await market.execute(
            "INSERT INTO checkpoints (stream, part, ordinal, sweep, committed_at, rows) VALUES ('coingecko.markets', $1, $2, 1, $3, 250)",
            part, int(part), NOW - timedelta(seconds=age),
        )  # fmt: skip
    await api.refresh()
    for path in ("/pages/runs", "/pages/runs/1"):
        status, found, _, text = await page(api, path)
        assert (status, "Running now" in text) == (200, True)
        assert "for 1 min 30 s" in text
        assert "2 parts, 500 rows so far" in text
        assert path in found.links


async def test_a_failure_with_drift_is_explained(api: Server, market: Market) -> None:
    """What failed and why, the field that is missing and what may have taken its place: on the page of the runs and on the run's own."""
    await market.run(outcomes=BOTH, age=600)
    await market.run(status="degraded", outcomes={**BOTH, "coingecko": "failed"}, error="current_price is missing", age=300)
    await market.execute(
        "INSERT INTO drift VALUES ('coingecko.markets', 'current_price', 'missing', 'reject', 1.0, 'price_usd', 0.96, $1, $1, 2)", NOW
    )
    await api.refresh()
    for path in ("/pages/runs", "/pages/runs/2"):
        _, found, _, text = await page(api, path)
        assert "current_price is missing" in text
        assert "is missing in 100 % of the rows" in text
        assert "price_usd" in text
        assert "fits by 0.96 of 1" in text
        assert "answers refused" in text
        assert found.inline == []
    assert "coingecko: its last outcome was failed" in (await page(api, "/pages/runs"))[3]
    _, found, _, text = await page(api, "/pages/runs/2")
    assert {"/pages/runs/1", "/runs/compare?a=1&b=2", "/runs/2"} <= set(found.links)
    assert "answers refused" not in (await page(api, "/pages/runs/1"))[3]


async def test_what_sources_send_is_text_on_these_pages(api: Server, market: Market) -> None:
    """An error, a reject's id and row, and a drifted field: none of it is markup, wherever it stands."""
    await market.run(status="failed", outcomes={"coingecko": "failed"}, error=HOSTILE, age=10)
    await market.execute(
        "INSERT INTO rejects (run_id, stream, part, source_id, reason, row_text, recorded_at)"
        " VALUES (1, 'coingecko.markets', $1, $1, $1, $1, $2)",
        HOSTILE, NOW,
    )  # fmt: skip
    await market.execute("INSERT INTO drift VALUES ('coingecko.markets', $1, 'type', 'warn', 0.5, $1, 0.5, $2, $2, 1)", HOSTILE, NOW)
    await api.refresh()
    for path in ("/pages/runs", "/pages/runs?to=9", "/pages/runs/1"):
        status, found, _, text = await page(api, path)
        assert status == 200
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert found.inline == []
        assert not [tag for tag, _ in found.tags if tag in {"img", "b"}]


async def test_rejects_come_with_their_latest_rows(api: Server, market: Market) -> None:
    """By reason, the most first, with how many there are and three of them; what is older than a day is not told."""
    for n in range(5):
        await market.execute(
            "INSERT INTO rejects (run_id, stream, part, source_id, reason, row_text, recorded_at) VALUES"
            " (1, 'coingecko.markets', '1', $1, 'price is not a number', $1, $2), (1, 'coingecko.markets', '1', 'old', 'odd', 'old', $3)",
            f"coin-{n}", NOW - timedelta(minutes=n), NOW - timedelta(days=2),
        )  # fmt: skip
    _, _, _, text = await page(api, "/pages/runs")
    assert '<span class="figure">5</span> price is not a number' in text
    assert [f">coin-{n}</pre>" in text for n in range(5)] == [True] * 3 + [False] * 2
    assert ">old</pre>" not in text


async def test_a_spent_month_is_said(db: Database) -> None:
    """How many calls there are, that none is left, and from when on there are again."""
    settings = make_settings(COINGECKO_CALLS_PER_MONTH="100", KASPARRO_ADMIN_TOKEN=TOKEN)
    market = Market(db)
    await market.execute("INSERT INTO budgets VALUES ('coingecko', $1, 100)", NOW.date().replace(day=1))
    async with api_over(db, settings) as server:
        status, found, _, text = await page(server, "/pages/runs")
    assert status == 200
    assert "100 of 100 calls used, 0 left." in text
    assert "Nothing is asked until 1 April" in text
    assert any(tag == "svg" and a.get("role") == "img" and "100 of 100" in str(a.get("aria-label")) for tag, a in found.tags)


async def test_without_a_database_the_page_says_how_all_is(api: Server, market: Market) -> None:
    """What is known without it is shown; what the runs did is not, and the status says so. A run's page is a problem's."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH, age=60)
    await api.refresh()
    await api.services.database.close()
    status, _, _, text = await page(api, "/pages/runs")
    assert status == 503
    assert "The database does not answer" in text
    assert "Last succeeded" in text
    assert (await page(api, "/pages/runs/1"))[0] == 503


async def test_older_runs_are_pages_away(api: Server, market: Market) -> None:
    """The links lead through all runs, each of which is in one table."""
    for n in range(60):
        await market.run(outcomes=BOTH, age=60.0 * (60 - n))
    path: str | None = "/pages/runs"
    seen: list[str] = []
    while path:
        _, found, _, text = await page(api, path)
        table = text[text.index('<table class="runs">') :]
        seen += [link for link in Page(table).links if link.startswith("/pages/runs/")]
        path = next((str(a["href"]) for tag, a in found.tags if tag == "a" and a.get("rel") == "next"), None)
    assert seen == [f"/pages/runs/{n}" for n in range(60, 0, -1)]
    assert (await page(api, "/pages/runs?to=x"))[0] == 400


async def test_a_run_leads_to_its_neighbours(api: Server, market: Market) -> None:
    """To the one that ended before it and to the one after, whatever ids lie between."""
    for n in range(3):
        await market.run(outcomes=BOTH, age=60.0 * (3 - n))
        await market.execute("SELECT nextval(pg_get_serial_sequence('runs', 'run_id'))")
    _, found, _, _ = await page(api, "/pages/runs/3")
    assert {a["rel"]: a["href"] for tag, a in found.tags if tag == "a" and a.get("rel") in {"prev", "next"}} == {
        "prev": "/pages/runs/1", "next": "/pages/runs/5",
    }  # fmt: skip


@pytest.mark.parametrize("run_id", ["99", "0", "x", "9" * 30])
async def test_a_run_that_nobody_knows_is_a_page_that_says_so(filled: Server, run_id: str) -> None:
    """404, with where the others are."""
    status, _, headers, text = await page(filled, f"/pages/runs/{run_id}")
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert f"No run has the id &#39;{run_id}&#39;" in text


@pytest.mark.parametrize("path", ["/pages/runs", "/pages/runs/1", "/pages/review"])
async def test_pages_have_one_heading_and_name_what_scrolls(filled: Server, path: str) -> None:
    """One first-level heading, a header cell in every table, and a name on every part that can be scrolled by keys."""
    _, found, headers, text = await page(filled, path)
    assert text.count("<h1") == 1
    assert not [
        a for tag, a in found.tags if a.get("tabindex") == "0" and not (a.get("role") in {"region", "group"} and a.get("aria-label"))
    ]
    assert not [a for tag, a in found.tags if tag == "th" and not a.get("scope")]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert found.inline == []


async def test_the_review_sends_no_token_without_scripts(filled: Server) -> None:
    """Its form is hidden until a script shows it, and its field has no name: nothing could get into an address. It says what it needs."""
    _, found, _, text = await page(filled, "/pages/review")
    form = next(a for tag, a in found.tags if tag == "form")
    token = next(a for tag, a in found.tags if tag == "input")
    assert "hidden" in form
    assert "action" not in form
    assert (token["type"], token["autocomplete"], "name" in token) == ("password", "off", False)
    assert "<noscript>" in text
    assert TOKEN not in text


async def test_the_review_knows_what_every_rule_says(filled: Server) -> None:
    """The table of the rules is what its script takes the words from."""
    _, found, _, _ = await page(filled, "/pages/review")
    assert {a.get("data-rule") for tag, a in found.tags if tag == "tr" and a.get("data-rule")} == set(RULES)


async def test_a_closed_review_says_what_opens_it(api: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configured token there is nothing to type one into."""
    monkeypatch.setitem(api.services.__dict__, "settings", msgspec.structs.replace(api.services.settings, admin_token=None))
    _, found, _, text = await page(api, "/pages/review")
    assert "KASPARRO_ADMIN_TOKEN" in text
    assert not [tag for tag, _ in found.tags if tag in {"form", "input"}]


def _budget(**given: float | None) -> Budget:
    base = {"used": 10, "limit": 100, "left": 90, "reserved": 5, "per_minute": 10, "calls_per_day": 2.4, "expected": 60}
    return Budget(**(base | given), resets_at=NOW + timedelta(days=31))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "level", "state", "bar"),
    [
        (_budget(), "ok", "within the plan", (10.0, 60.0, 100.0)),
        (_budget(expected=200), "degraded", "tight", (5.0, 100.0, 50.0)),
        (_budget(used=96, left=4), "degraded", "schedule's share spent", (96.0, 60.0, 100.0)),
        (_budget(used=120, left=0, expected=120), "down", "spent", (100.0, 100.0, 83.33)),
        (_budget(limit=None, left=None, reserved=None), "ok", "no monthly limit", (16.67, 100.0, None)),
    ],
)
def test_a_gauge_says_how_the_month_will_end(budget: Budget, level: str, state: str, bar: tuple[float, float, float | None]) -> None:
    """Within the plan, tight, all but what people may use, spent, or without a limit; the bar has room for all of it."""
    gauge = outcomes.gauge(budget)
    assert (gauge.level, gauge.state, (gauge.used, gauge.expected, gauge.limit)) == (level, state, bar)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.9, "1 min"), (90, "1 min 30 s"), (3_600, "1 h"),
        (3_661, "1 h 1 min"), (90_061, "1 d 1 h"), (86_430, "1 d"), (200_000_000, "2,314 d 19 h"),
    ],
)  # fmt: skip
def test_spans_have_two_units_at_most(seconds: float, text: str) -> None:
    """The two largest that follow each other, and tenths of a second where it is short."""
    assert figures.span(seconds) == text
