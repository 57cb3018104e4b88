"""/admin: who may; and what a person should decide, says and withdraws."""

from typing import Any

import msgspec
import pytest

from kasparro.errors import NotKnownError, RefusedError
from kasparro.records import Said
from tests.api.conftest import TOKEN, Server
from tests.api.factory import Market

BEARER = {"Authorization": f"Bearer {TOKEN}"}
ADMIN = [("POST", "/admin/run-etl"), ("GET", "/admin/judgements?limit=x"), ("POST", "/admin/judgements"), ("DELETE", "/admin/judgements/1")]
SAME = {"listing": {"source": "coingecko", "source_id": "clone"}, "coin_id": "bitcoin", "verdict": "same"}


@pytest.mark.parametrize(("method", "path"), ADMIN)
async def test_admin_is_closed_without_a_token(api: Server, monkeypatch: pytest.MonkeyPatch, method: str, path: str) -> None:
    """403 that says which variable opens it, whatever is sent."""
    closed = msgspec.structs.replace(api.services.settings, admin_token=None)
    monkeypatch.setitem(api.services.__dict__, "settings", closed)
    for headers in ({}, BEARER):
        status, body, _ = await api.request(method, path, headers=headers)
        assert (status, body["code"]) == (403, "admin_closed")
        assert "KASPARRO_ADMIN_TOKEN" in body["detail"]


@pytest.mark.parametrize(("method", "path"), ADMIN)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic abc", "Bearer " + TOKEN + "x", "Bearer é"])
async def test_a_wrong_token_is_401(api: Server, method: str, path: str, header: str | None) -> None:
    """With how to authenticate, before anything else is looked at; nothing is done."""
    status, body, headers = await api.request(method, path, headers={} if header is None else {"Authorization": header})
    assert (status, body["code"]) == (401, "unauthorized")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert api.runner.asked == []
    assert api.judge.asked == []


async def test_a_path_with_several_methods_names_them_all(api: Server) -> None:
    """OPTIONS and 405 both say what /admin/judgements takes."""
    for method, status in (("OPTIONS", 204), ("PUT", 405)):
        got, _, headers = await api.request(method, "/admin/judgements", headers=BEARER)
        assert (got, set(headers["Allow"].split(", "))) == (status, {"GET", "HEAD", "OPTIONS", "POST"})


async def _market(market: Market) -> None:
    await market.coin("bitcoin", 9.0, symbol="BTC", market_cap=900.0, contract=("ethereum", "0xabc"))
    await market.coin("clone", 1.0, symbol="BTC", market_cap=5.0)
    await market.coin("btc-bitcoin", symbol="BTC", sources=("coinpaprika",))
    await market.coin("small", 1.0, market_cap=50.0)
    await market.coin("lost")
    await market.coin("lost-2", sources=("coinpaprika",))


async def test_what_to_decide_comes_by_market_value_at_stake(api: Server, market: Market) -> None:
    """The smaller of the two sides' market caps, or the one that is known; where none is, last."""
    await _market(market)
    await market.judge("coinpaprika", "lost-2", "lost", "unsure")
    await market.judge("coingecko", "clone", "bitcoin", "unsure")
    await market.judge("coingecko", "small", "bitcoin", "unsure")
    await market.judge("coinpaprika", "btc-bitcoin", "bitcoin", "unsure")
    await market.judge("coingecko", "small", "clone", "different", decided_by="person", note="seen it")
    await api.refresh()

    status, rows, headers = await api.get("/admin/judgements", headers=BEARER)

    assert status == 200
    assert [(row["listing"]["source_id"], row["coin"]["id"], row["market_cap_at_stake_usd"]) for row in rows] == [
        ("btc-bitcoin", "bitcoin", 900.0), ("small", "bitcoin", 50.0), ("clone", "bitcoin", 5.0), ("lost-2", "lost", None),
    ]  # fmt: skip
    assert headers["X-Total-Count"] == "4"


@pytest.mark.smoke
async def test_a_question_shows_both_sides(api: Server, market: Market) -> None:
    """The judgement with its evidence, the listing with the coin that it is now, and the coin in question with its listings."""
    await _market(market)
    judgement_id, _, _ = await market.judge("coingecko", "clone", "bitcoin", "unsure")
    await api.refresh()

    _, (row,), _ = await api.get("/admin/judgements", headers=BEARER)

    judgement, listing, coin = row["judgement"], row["listing"], row["coin"]
    assert judgement == {
        "id": judgement_id, "source": "coingecko", "source_id": "clone", "verdict": "unsure", "rule": "symbol", "confidence": 0.6,
        "evidence": {"symbol": "rare"}, "decided_by": "rule", "note": None, "created_at": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    assert (listing["symbol"], listing["name"], listing["active"], listing["coin_id"]) == ("BTC", "Clone", True, "clone")
    assert (listing["quote"]["price_usd"], listing["quote"]["market_cap_usd"]) == (1.0, 5.0)
    assert (coin["id"], coin["symbol"], coin["name"], coin["latest_price_usd"], coin["market_cap_usd"]) == (
        "bitcoin", "BTC", "Bitcoin", 9.0, 900.0,
    )  # fmt: skip
    assert [(n["source_id"], n["coin_id"], n["quote"]["price_usd"]) for n in coin["listings"]] == [("bitcoin", "bitcoin", 9.0)]
    assert coin["listings"][0]["contracts"] == [
        {"source": "coingecko", "source_id": "bitcoin", "platform": "ethereum", "address": "0xabc"}
    ]  # fmt: skip


async def test_a_question_about_a_listing_that_waits(api: Server, market: Market) -> None:
    """It has no coin, and what only a coin's listing shows is null."""
    await _market(market)
    await market.judge("coingecko", "clone", "bitcoin", "different", decided_by="person")
    await market.execute("UPDATE judgements SET superseded_at = now(), version = 7 WHERE verdict = 'same' AND coin_key = 2")
    await market.execute("UPDATE catalog_version SET version = 8")
    await api.refresh()

    _, (row,), _ = await api.get("/admin/judgements?verdict=different", headers=BEARER)

    assert row["listing"] == {
        "source": "coingecko", "source_id": "clone", "symbol": None, "name": None, "active": None, "contracts": [], "quote": None,
        "coin_id": None,
    }  # fmt: skip
    assert row["market_cap_at_stake_usd"] == 900.0


async def test_judgements_are_filtered_and_paged(api: Server, market: Market) -> None:
    """By verdict and by who decided; pages show each once, whatever the size."""
    await _market(market)
    for source_id in ("clone", "small", "lost"):
        await market.judge("coingecko", source_id, "bitcoin", "different", decided_by="person" if source_id == "lost" else "rule")
    await api.refresh()

    async def walk(path: str) -> list[str]:
        seen = []
        while path:
            status, rows, headers = await api.get(path, headers=BEARER)
            assert status == 200
            seen += [row["judgement"]["source_id"] for row in rows]
            path = headers.get("Link", "").partition("<")[2].partition(">")[0]
        return seen

    assert await walk("/admin/judgements") == []
    for limit in (1, 2, 3):
        assert await walk(f"/admin/judgements?verdict=different&limit={limit}") == ["lost", "small", "clone"]
    assert await walk("/admin/judgements?verdict=different&decided_by=person") == ["lost"]
    assert await walk("/admin/judgements?verdict=same&limit=2") == ["bitcoin", "small", "clone", "btc-bitcoin", "lost", "lost-2"]
    assert (await api.get("/admin/judgements?verdict=perhaps", headers=BEARER))[0] == 400
    assert (await api.get("/admin/judgements?cursor=abc", headers=BEARER))[1]["code"] == "cursor_invalid"


async def test_what_a_person_says_can_be_read_at_once(api: Server, market: Market) -> None:
    """201 with the judgement and the coin that the listing is now; the next GET shows it, and DELETE answers alike."""
    await _market(market)
    await api.refresh()

    async def carry_out() -> Said:
        judgement_id, listing_id, version = await market.judge(
            "coingecko", "clone", "bitcoin", "different", decided_by="person", note="a clone"
        )
        return Said(
            judgement_id=judgement_id, listing_id=listing_id, coin_id="bitcoin", verdict="different", note="a clone", now_coin_id="clone",
            catalog_version=version,
        )  # fmt: skip

    api.judge.carry_out = carry_out
    body = {**SAME, "verdict": "different", "note": "a clone"}

    status, said, _ = await api.request("POST", "/admin/judgements", headers=BEARER, json=body)

    _, coin, _ = await api.get("/coins/bitcoin")
    assert status == 201
    assert (said["coin_id"], said["verdict"], said["note"], said["decided_by"]) == ("bitcoin", "different", "a clone", "person")
    assert (said["now_coin_id"], said["listing"]["coin_id"], said["listing"]["source_id"]) == ("clone", "clone", "clone")
    assert said["id"] in [j["id"] for j in coin["judgements"] if j["note"] == "a clone"]
    assert api.judge.asked == [("coingecko", "clone", "bitcoin", "different", "a clone")]

    api.judge.carry_out = None
    api.judge.said = Said(
        judgement_id=said["id"], listing_id=2, coin_id="bitcoin", verdict="different", note=None, now_coin_id="clone", catalog_version=7
    )
    status, withdrawn, _ = await api.request("DELETE", f"/admin/judgements/{said['id']}", headers=BEARER)
    assert (status, withdrawn["id"], withdrawn["now_coin_id"]) == (200, said["id"], "clone")
    assert api.judge.asked[1:] == [(said["id"],)]


async def test_an_alias_and_a_merged_id_mean_their_coin(api: Server, market: Market) -> None:
    """The judge hears the coin's own id; one that the catalog does not know it hears as it was sent."""
    bitcoin = await market.coin("bitcoin", 9.0, sources=("coinpaprika",), source_ids={"coinpaprika": "btc-bitcoin"})
    await market.merge(await market.coin("old-bitcoin", 9.0), bitcoin)
    await api.refresh()
    for coin_id in ("btc-bitcoin", "old-bitcoin", "brand-new"):
        assert (await api.request("POST", "/admin/judgements", headers=BEARER, json={**SAME, "coin_id": coin_id, "note": ""}))[0] == 201
    assert [(asked[2], asked[4]) for asked in api.judge.asked] == [("bitcoin", None), ("bitcoin", None), ("brand-new", None)]


@pytest.mark.parametrize(
    ("error", "status", "candidates"),
    [
        (NotKnownError("no such listing", code="listing_unknown"), 404, None),
        (NotKnownError("no such coin", code="coin_unknown"), 404, ["bitcoin"]),
        (RefusedError("a person said otherwise", code="judgement_contradicts"), 409, None),
    ],
)
async def test_what_the_judge_refuses(api: Server, market: Market, error: Any, status: int, candidates: list[str] | None) -> None:
    """Its code and its words; for a coin that nobody knows, ids that may have been meant."""
    await market.coin("bitcoin", 9.0, symbol="BTC")
    await api.refresh()
    api.judge.error = error

    got, problem, _ = await api.request("POST", "/admin/judgements", headers=BEARER, json={**SAME, "coin_id": "btc"})

    assert (got, problem["code"], problem["detail"], problem.get("candidates")) == (status, error.code, str(error), candidates)


async def test_withdrawing_what_is_not_there_or_a_rules(api: Server) -> None:
    """404 for an id that no judgement has or can have, 409 for a rule's."""
    for judgement_id in ("x", "0", "-1", "9" * 30):
        status, problem, _ = await api.request("DELETE", f"/admin/judgements/{judgement_id}", headers=BEARER)
        assert (status, problem["code"]) == (404, "judgement_unknown")
    assert api.judge.asked == []
    for error, expected in ((NotKnownError("none", code="judgement_unknown"), 404), (RefusedError("no", code="judgement_of_a_rule"), 409)):
        api.judge.error = error
        status, problem, _ = await api.request("DELETE", "/admin/judgements/5", headers=BEARER)
        assert (status, problem["code"]) == (expected, error.code)


@pytest.mark.parametrize(
    ("change", "code", "parameter"),
    [
        ({"listing": None}, "invalid_parameter", "listing"),
        ({"listing": {"source": "coingecko"}}, "invalid_parameter", "listing.source_id"),
        ({"listing": {"source": "binance", "source_id": "x"}}, "invalid_parameter", "listing.source"),
        ({"listing": {"source": "coingecko", "source_id": ""}}, "invalid_parameter", "listing.source_id"),
        ({"coin_id": 7}, "invalid_parameter", "coin_id"),
        ({"coin_id": "a\0b"}, "invalid_parameter", "coin_id"),
        ({"verdict": "unsure"}, "invalid_parameter", "verdict"),
        ({"note": "x" * 2_001}, "invalid_parameter", "note"),
        ({"extra": 1}, "invalid_parameter", "extra"),
        ([], "invalid_parameter", "body"),
        (None, "invalid_body", None),
    ],
)
async def test_a_bad_body_names_the_field(api: Server, change: Any, code: str, parameter: str | None) -> None:
    """400, and the judge hears nothing."""
    body = msgspec.json.encode({**SAME, **change} if isinstance(change, dict) else change) if change is not None else b"{"

    status, problem, _ = await api.request("POST", "/admin/judgements", headers=BEARER, data=body)

    assert (status, problem["code"]) == (400, code)
    assert [error["parameter"] for error in problem.get("errors", [])] == ([] if parameter is None else [parameter])
    assert api.judge.asked == []
