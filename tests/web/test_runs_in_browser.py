"""The runs and the review in a real browser: what is seen, heard, typed and decided."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Route

from tests.api.conftest import TOKEN
from tests.web.browser import AXE, LOOKS, NARROW, WIDE, Visit, Visitor, until
from tests.web.scene import Scene

pytestmark = pytest.mark.slow

# What each page is called in pictures, where it is, and what is there once its scripts have done their work.
PAGES = {
    "runs": ("/pages/runs", "[data-state=on]"),
    "runs-older": ("/pages/runs?to=2", "table.runs"),
    "run": ("/pages/runs/2", "table.figures"),
    "run-unknown": ("/pages/runs/99999", "h1"),
    "review-closed": ("/pages/review", "#token"),
    "review": ("/pages/review", "#token"),
}


@pytest.fixture(autouse=True)
def forgiven(scene: Scene) -> None:
    """What one test guessed closes the review to none of the others."""
    scene.services.__dict__.pop("token", None)


async def _late(route: Route) -> None:
    await asyncio.sleep(1)
    await route.continue_()


async def _opened(visit: Visit, token: str = TOKEN) -> None:
    await visit.open("/pages/review")
    await visit.page.locator("#token").fill(token)
    await visit.page.keyboard.press("Enter")


async def _questions(visit: Visit) -> Any:
    await _opened(visit)
    found = visit.page.locator("article.question")
    await found.first.wait_for()
    return found


async def _fit(visit: Visit, name: str, width: int) -> None:
    """Turned from a phone to a desk or back, folded and unfolded, nothing scrolls sideways or fails; axe-core is content where it is."""
    other = WIDE + NARROW - width
    await visit.shoot(f"{name}-{width}")
    assert not await visit.overflows()
    await visit.resize(other)
    await visit.shoot(f"{name}-{other}")
    assert not await visit.overflows()
    # The answer to a page that is not there is an error of the network to the browser's console.
    assert [t for t in visit.trouble if "404" not in t] == []
    await visit.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert not await visit.overflows()
    await visit.resize(width)
    assert not await visit.overflows()
    if AXE.exists():
        assert await visit.violations() == []


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_fit_for_everybody(visitor: Visitor, name: str) -> None:
    """In both themes, on a phone, a desk and turned: nothing scrolls sideways or fails, nobody else is asked, and axe-core is content."""
    path, there = PAGES[name]
    for theme, width in LOOKS:
        async with visitor.visit(width=width, theme=theme) as visit:
            await visit.open(path)
            await visit.page.locator(there).first.wait_for()
            if name == "review":
                await _questions(visit)
            await _fit(visit, f"{name}-{theme}", width)
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm --prefix tests/web ci)")


async def test_the_runs_read_well_without_scripts(visitor: Visitor) -> None:
    """All is there, and a mark leads to its run; the review says that it needs scripts, and asks for nothing."""
    async with visitor.visit(scripts=False) as visit:
        await visit.open("/pages/runs")
        await visit.page.locator(".columns a").first.click()
        assert (await visit.text("h1")).startswith("Run ")
        await visit.open("/pages/review")
        assert "needs scripts" in await visit.text("main")
        assert not await visit.page.locator("#token").is_visible()
        assert visit.trouble == []


async def test_the_timeline_can_be_passed_by(visitor: Visitor) -> None:
    """One key skips its runs, and each of them says its outcome to those who do not see it."""
    async with visitor.visit() as visit:
        await visit.open("/pages/runs")
        skip = visit.page.locator(".skip-part")
        await skip.focus()
        assert await skip.is_visible()
        await visit.page.keyboard.press("Enter")
        assert await visit.page.evaluate("document.activeElement.id") == "after-timeline"
        names = await visit.page.locator(".columns").aria_snapshot()
        assert "CoinGecko succeeded, CoinPaprika succeeded" in names


async def test_a_run_that_ends_shows_by_itself(visitor: Visitor, scene: Scene) -> None:
    """The stream tells of it: the page takes the new run over in place, says so, and leaves the focus where it was."""
    async with visitor.visit() as visit:
        await visit.open("/pages/runs")
        await visit.page.locator("[data-state=on]").wait_for()
        before = await visit.page.locator(".columns li").count()
        await visit.page.evaluate("window.same = true")
        held = visit.page.locator(".columns a").first
        address = await held.get_attribute("href")
        await held.focus()
        await scene.move()
        await until(lambda: _counted(visit, ".columns li", before + 1))
        await visit.page.get_by_text("has ended: succeeded").wait_for(state="attached")
        assert await visit.page.evaluate("window.same") is True  # it was not loaded anew
        assert await visit.page.evaluate("document.activeElement.getAttribute('href')") == address
        assert visit.trouble == []


async def _counted(visit: Visit, selector: str, wanted: int) -> bool:
    return await visit.page.locator(selector).count() == wanted


async def test_a_run_at_work_is_followed_to_its_end(visitor: Visitor, scene: Scene) -> None:
    """On its own page what it has done is counted on, and what it came to takes the place of that."""
    database, now = scene.services.database, scene.services.clock.now()
    async with database.write() as conn:
        run_id = await conn.fetchval(
            "INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, lease_until, open)"
            " VALUES ('admin', 'running', 'h', 'p', $1, $2, true) RETURNING run_id",
            now, now + timedelta(hours=1),
        )  # fmt: skip
    async with visitor.visit(width=NARROW) as visit:
        await visit.open(f"/pages/runs/{run_id}")
        assert "Nothing is committed yet" in await visit.text("#working")
        assert not await visit.page.get_by_text("Load anew").is_visible()
        await visit.shoot("run-at-work")
        async with database.write() as conn:
            await conn.execute("UPDATE checkpoints SET committed_at = $1 WHERE stream = 'coingecko.markets'", now + timedelta(seconds=1))
        await visit.page.locator("#working").get_by_text("rows so far").wait_for()
        async with database.write() as conn:
            await conn.execute("UPDATE runs SET status = 'interrupted', open = false, finished_at = $2 WHERE run_id = $1", run_id, now)
        await visit.page.locator("h1 .is-interrupted").wait_for()
        assert await visit.page.locator("#working").count() == 0
        assert await visit.page.locator("#said").text_content() == f"Run {run_id} has ended: interrupted."
        assert visit.trouble == []


async def test_a_wrong_token_is_refused_in_words(visitor: Visitor) -> None:
    """It says that it is not the one, asks again, and keeps nothing."""
    async with visitor.visit() as visit:
        await _opened(visit, "guessed")
        await visit.page.get_by_text("This is not the token").wait_for()
        assert await visit.page.evaluate("document.activeElement.id") == "token"
        assert await visit.page.evaluate("sessionStorage.length + localStorage.length") == 0
        assert not await visit.page.locator("#opened").is_visible()
        await visit.page.locator("#token").fill("\u2713 no header can carry this")
        await visit.page.keyboard.press("Enter")
        await visit.page.get_by_text("This is not the token").wait_for()
        await visit.shoot("review-refused")


async def test_too_many_wrong_tokens_say_how_long_to_wait(visitor: Visitor) -> None:
    """The button counts down while nothing that is sent would be looked at, and then asks again."""
    async with visitor.visit() as visit:
        for n in range(11):
            await _opened(visit, f"guess {n}")
            await visit.page.locator("#token-problem").wait_for()
        await visit.page.get_by_text("too many wrong tokens").wait_for()
        button = visit.page.locator("#token-form button")
        assert await button.is_disabled()
        assert (await button.inner_text()).startswith("Wait ")
        await until(lambda: _is_enabled(visit))
        assert await button.inner_text() == "Open the review"


async def _is_enabled(visit: Visit) -> bool:
    return await visit.page.locator("#token-form button").is_enabled()


async def test_the_token_stays_in_the_tab(visitor: Visitor) -> None:
    """A reload does not ask again; another tab does; forgetting it asks again here, too, and it was never in an address."""
    async with visitor.visit() as visit:
        await _questions(visit)
        await visit.page.reload()
        await visit.page.locator("article.question").first.wait_for()
        other = await visit.context.new_page()
        await other.goto(visit.url + "/pages/review")
        await other.locator("#token").wait_for()
        assert await visit.page.evaluate("localStorage.length") == 0
        assert await visit.context.cookies() == []
        assert TOKEN not in visit.page.url
        await visit.page.get_by_role("button", name="Forget the token").click()
        assert await visit.page.evaluate("sessionStorage.length") == 0
        assert await visit.page.locator("article.question").count() == 0
        await visit.page.reload()
        await visit.page.locator("#token").wait_for()


async def test_a_question_is_decided_and_taken_back(visitor: Visitor, scene: Scene) -> None:
    """With a note and a key; it is said, the listing joins the coin, and undoing it brings the question back."""
    async with visitor.visit() as visit:
        found = await _questions(visit)
        before = await found.count()
        first = found.first
        title = await first.locator("h2").inner_text()
        stake = await first.locator(".stake").inner_text()
        assert "$" in stake
        weights = [float(text.replace("\u2212", "-")) for text in await first.locator(".weight").all_inner_texts()]
        assert f"a score of {sum(weights):.1f}" in stake.replace("\u2212", "-").replace("+", "")  # whoever adds up finds the same
        assert {"up", "down"} <= {c for w in await first.locator(".weight").all() for c in str(await w.get_attribute("class")).split()}
        await first.locator("textarea").fill("<b>one</b> after a change of name")
        same = first.locator("[data-verdict=same]")
        await same.focus()
        await visit.page.keyboard.press("Enter")
        await visit.page.locator("article.is-decided").wait_for()
        assert str(await visit.page.locator("#said").text_content()).startswith("Decided: ")
        assert await visit.page.evaluate("document.activeElement.textContent") == "Undo"
        assert "<b>one</b> after a change of name" in await visit.text("article.is-decided")
        assert f"{before - 1} questions" in await visit.text("#count")
        await visit.shoot("review-decided")
        if AXE.exists():
            assert await visit.violations() == []
        link = visit.page.locator("article.is-decided a")
        async with visit.context.expect_page() as opened:
            await link.click(modifiers=["Control"])
        coin = await opened.value
        await coin.get_by_text("a person said so", exact=False).first.wait_for()
        await visit.page.get_by_role("button", name="Undo").click()
        await first.locator("[data-verdict=same]").wait_for()
        assert await first.locator("h2").inner_text() == title
        assert await first.locator("h2").evaluate("e => e === document.activeElement")
        assert f"{before} questions" in await visit.text("#count")
        assert visit.trouble == []


async def test_when_all_is_decided_the_page_says_so(visitor: Visitor, scene: Scene) -> None:
    """Nothing is left, here and in another tab; what was decided stands there and is taken back one by one, as its question returns."""
    async with visitor.visit() as visit:
        found = await _questions(visit)
        number = await found.count()
        for n in range(number):
            await found.nth(n).locator("[data-verdict=different]").click()
            await visit.page.locator("article.is-decided").nth(n).wait_for()
        assert await visit.text("#count") == "Nothing is left to decide."
        await found.first.get_by_role("button", name="Undo").click()
        await found.first.locator("[data-verdict=different]").click()
        await visit.page.locator("article.is-decided").nth(number - 1).wait_for()
    async with visitor.visit() as visit:
        await _opened(visit)
        await visit.page.get_by_text("Nothing is unsure").wait_for()
        await visit.page.get_by_text("What people have decided").click()
        said = visit.page.locator("#earlier-list .card")
        await said.first.wait_for()
        assert await said.count() == number
        await visit.shoot("review-empty")
        if AXE.exists():
            assert await visit.violations() == []
        await visit.page.route("**/admin/judgements?verdict=unsure*", _late)
        for n in range(number - 1, -1, -1):
            await said.first.get_by_role("button", name="Undo").click()
            await until(lambda n=n: _counted(visit, "#earlier-list .card .button", n))  # type: ignore[misc]
        await visit.page.get_by_text("Nobody has decided anything yet").wait_for()
        # Of the two that might have been one listing's coin, the rules took the one when the other was still excluded.
        titles = " ".join(await visit.page.locator("article.question h2").all_inner_texts())
        assert "Tourmaline Sound" in titles
        assert "Lagoon Labs" in titles
        assert visit.trouble == []


async def test_a_token_that_holds_no_longer_is_asked_for_again(visitor: Visitor) -> None:
    """A decision with it is not lost silently: the page asks for the token."""
    async with visitor.visit() as visit:
        found = await _questions(visit)
        await visit.page.route("**/admin/judgements", lambda route: route.continue_(headers={"authorization": "Bearer other"}))
        await found.first.locator("[data-verdict=same]").click()
        await visit.page.get_by_text("This is not the token").wait_for()
        assert not await visit.page.locator("#opened").is_visible()


async def test_what_a_source_calls_its_coins_is_text_in_the_review(visitor: Visitor) -> None:
    """A name that is markup stands there as it is."""
    hostile = "<img src=x onerror=document.title='owned'>"
    async with visitor.visit() as visit:

        async def spoil(route: Any) -> None:
            answer = await route.fetch()
            rows = await answer.json()
            for row in rows:
                row["listing"]["name"] = row["coin"]["name"] = row["listing"]["source_id"] = row["judgement"]["rule"] = hostile
                row["judgement"]["evidence"]["rules"] = {hostile: [1.0, hostile, [hostile]]}
            await route.fulfill(response=answer, json=rows)

        await visit.page.route("**/admin/judgements?*", spoil)
        found = await _questions(visit)
        assert hostile in await found.first.inner_text()
        assert await visit.page.locator("main img").count() == 0
        assert await visit.page.title() == "Review · kasparro"
        assert not await visit.overflows()
        assert visit.trouble == []


HOURS = 4
ROW = '{"id":"velvet-quay","symbol":"vequ","name":"Velvet Quay","current_price":"n/a","last_updated":"2026-11-25T00:10:02Z"}'
PAST = {9: ("failed", "CoinGecko answered status 503, four times"), 10: ("failed", "CoinGecko answered status 503, four times"),
        11: ("degraded", "half of the pages of coingecko.markets did not come"), 24: ("skipped", "the source is left alone until 00:40"),
        31: ("interrupted", None), 38: ("degraded", "12 rows in a hundred could not be used")}  # fmt: skip


async def test_a_past_with_trouble_can_be_read(visitor: Visitor, scene: Scene) -> None:
    """Every kind of mark, a budget that is half spent, rejects and drift: fit for everybody as well, and for a stranger to look at."""
    database, now = scene.services.database, scene.services.clock.now()
    async with database.write() as conn:
        await conn.execute(
            "UPDATE runs SET started_at = started_at - $1::interval, finished_at = finished_at - $1::interval", timedelta(hours=HOURS)
        )
        for n in range(44):
            outcome, error = PAST.get(n, ("succeeded", None))
            at = now - timedelta(minutes=5 * (44 - n))
            run_id = await conn.fetchval(
                "INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)"
                " VALUES ('schedule', $1, 'h', 'p', $2, $3, $2, false) RETURNING run_id",
                outcome if outcome in ("succeeded", "interrupted") else "degraded", at, at + timedelta(seconds=7.4 + n % 5),
            )  # fmt: skip
            for source, each, why in (("coingecko", outcome, error), ("coinpaprika", "succeeded", None)):
                rows = 0 if each in ("failed", "skipped") else 604 if source == "coingecko" else 253
                if each != "interrupted":
                    await conn.execute(
                        "INSERT INTO run_sources (run_id, source, outcome, error, calls, parts, rows_received, rows_written, rows_revised,"
                        " rows_rejected, duration_seconds) VALUES ($1, $2, $3, $4, 3, 3, $5, $5, 0, $6, 4.2)",
                        run_id, source, each, why, rows, 2 if n == 38 and source == "coingecko" else 0,
                    )  # fmt: skip
        for source_id, row in (("velvet-quay", ROW), ("opal-spit", ROW.replace("velvet-quay", "opal-spit"))):
            await conn.execute(
                "INSERT INTO rejects (run_id, stream, part, source_id, reason, row_text, recorded_at)"
                " VALUES ($1, 'coingecko.markets', 'page:2', $2, 'price is not a number', $3, $4)",
                run_id, source_id, row, now,
            )  # fmt: skip
        await conn.execute(
            "INSERT INTO drift VALUES"
            " ('coingecko.markets', 'ath_change_percentage', 'missing', 'warn', 0.98, 'ath_change', 0.91, $1, $1, $2)",
            now, run_id,
        )  # fmt: skip
        await conn.execute("UPDATE budgets SET calls = 11837 WHERE source = 'coinpaprika'")
    await scene.move()
    for theme, width in LOOKS:
        async with visitor.visit(width=width, theme=theme) as visit:
            await visit.open("/pages/runs")
            await visit.page.locator("[data-state=on]").wait_for()
            assert await _newest_is_seen(visit)
            assert {f"is-{name}" for name in ("succeeded", "failed", "degraded", "skipped", "interrupted")} <= set(
                " ".join([str(await one.get_attribute("class")) for one in await visit.page.locator(".columns .mark").all()]).split()
            )
            await _fit(visit, f"runs-in-trouble-{theme}", width)
            assert visit.trouble == []


async def _newest_is_seen(visit: Visit) -> bool:
    """Without scrolling the timeline."""
    newest = visit.page.locator(".columns a").first
    return bool(await newest.evaluate("e => e.getBoundingClientRect().right <= innerWidth"))
