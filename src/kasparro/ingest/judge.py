"""What a person says of a listing and a coin: it stands from the next catalog version on, and no rule speaks against it."""

import msgspec

from kasparro import logs
from kasparro.clock import Clock
from kasparro.errors import NotKnownError, RefusedError
from kasparro.ingest.identity import Identity, Judged, Settledness, Word
from kasparro.ingest.publish import OutdatedError, Publication, until_current
from kasparro.records import Judgement, Said, Verdict
from kasparro.settings import Settings
from kasparro.store import coins, listings
from kasparro.store.pool import Database

log = logs.get()

# A run may not have read all lists yet. What it has read is judged around a person's word; nobody waits for it.
_AS_IT_IS = Settledness(listed=frozenset(), quoted=frozenset(), complete=False)


class PersonsJudge:
    """Hears persons. A judgement is written, carried out and priced in one transaction."""

    def __init__(self, identity: Identity, database: Database, settings: Settings, clock: Clock) -> None:
        self._identity, self._database, self._settings, self._clock = identity, database, settings, clock

    async def say(self, source: str, source_id: str, coin_id: str, verdict: Verdict, note: str | None) -> Said:
        """Let a listing be, or not be, a coin. Raises NotKnownError for either, RefusedError where another person's word forbids it."""
        return await until_current(lambda: self._say(source, source_id, coin_id, verdict, note))

    async def withdraw(self, judgement_id: int) -> Said:
        """Let a person's judgement no longer stand: rules decide again. Raises NotKnownError, or RefusedError for a rule's."""
        return await until_current(lambda: self._withdraw(judgement_id))

    async def _say(self, source: str, source_id: str, coin_id: str, verdict: Verdict, note: str | None) -> Said:
        async with self._database.read(snapshot=True) as conn:
            version = (await coins.state(conn)).version
            listing_id = await listings.find(conn, source, source_id)
            if listing_id is None:
                message = f"{source} has no listing {source_id!r} that is known here"
                raise NotKnownError(message, code="listing_unknown")
            target = await coins.find(conn, coin_id)
            if target is None:
                message = f"there is no coin {coin_id!r}; GET /data?q= finds coins by name or symbol"
                raise NotKnownError(message, code="coin_unknown")
            others = [i for i in await coins.members(conn, target) if i != listing_id]
            against = await coins.contradiction(conn, listing_id, others, target) if verdict == "same" else None
        if against is not None:
            message = f"judgement {against} by a person says that it differs from a listing of {target}; withdraw that one first"
            raise RefusedError(message, code="judgement_contradicts")
        if verdict == "different" and not others:
            message = f"{source}:{source_id} is all that there is of {target}: there is nothing that it could differ from"
            raise RefusedError(message, code="judgement_contradicts")
        judgement = Judgement(
            listing_id=listing_id,
            coin_id=target,
            verdict=verdict,
            rule="person",
            confidence=1.0,
            evidence=msgspec.json.encode({"listings": others} if verdict == "different" else {}),
            decided_by="person",
            note=note,
        )
        judged = await self._identity.hear(Word(judgement=judgement), _AS_IT_IS)
        if judged.version != version:
            raise OutdatedError
        return await self._write(judgement, judged, None)

    async def _withdraw(self, judgement_id: int) -> Said:
        async with self._database.read(snapshot=True) as conn:
            version = (await coins.state(conn)).version
            row = await coins.judgement(conn, judgement_id)
        if row is None or row["superseded_at"] is not None:
            message = f"no judgement {judgement_id} stands; GET /admin/judgements?decided_by=person names those that do"
            raise NotKnownError(message, code="judgement_unknown")
        if row["decided_by"] != "person":
            message = f"judgement {judgement_id} is a rule's and follows the evidence; POST /admin/judgements says otherwise"
            raise RefusedError(message, code="judgement_of_a_rule")
        judgement = Judgement(
            listing_id=row["listing_id"],
            coin_id=row["coin_id"],
            verdict=row["verdict"],
            rule="person",
            confidence=1.0,
            evidence=b"{}",
            decided_by="person",
            note=row["note"],
            judgement_id=judgement_id,
        )
        judged = await self._identity.hear(Word(judgement=judgement, withdrawn=judgement_id), _AS_IT_IS)
        if judged.version != version:
            raise OutdatedError
        return await self._write(judgement, judged, judgement_id)

    async def _write(self, judgement: Judgement, judged: Judged, withdrawn: int | None) -> Said:
        """Write a word, or its withdrawal, and what follows. Raises RefusedError, with nothing written, where it cannot be followed."""
        listing_id, coin_id, verdict = judgement.listing_id, judgement.coin_id, judgement.verdict
        async with self._database.write() as conn:
            publication = await Publication.begin(conn, self._settings, self._clock, judged)
            now = publication.now
            if withdrawn is None:
                touched = await coins.supersede_pair(conn, listing_id, coin_id, now, publication.version, same_too=verdict == "same")
                written = await coins.write_judgements(conn, [judgement], now, publication.version)
                touched |= written.coin_keys
                judgement_id = written.judgement_ids[0]
            else:
                touched = await coins.supersede(conn, [withdrawn], now, publication.version)
                judgement_id = withdrawn
            touched |= await publication.write(judged)
            now_coin_id = await coins.of_listing(conn, listing_id) or coin_id
            if withdrawn is None and (now_coin_id == coin_id) != (verdict == "same"):
                message = f"judgements by persons keep {coin_id} from being followed; GET /admin/judgements?decided_by=person names them"
                raise RefusedError(message, code="judgement_contradicts")
            await publication.price(touched)
            await publication.tell()
        log.info("judgement.withdrawn" if withdrawn else "judgement.said", **_told(judgement, judgement_id, now_coin_id))
        return Said(
            judgement_id=judgement_id,
            listing_id=listing_id,
            coin_id=coin_id,
            verdict=verdict,
            note=judgement.note,
            now_coin_id=now_coin_id,
            catalog_version=publication.version,
        )


def _told(judgement: Judgement, judgement_id: int, now_coin_id: str) -> dict[str, object]:
    return {
        "judgement_id": judgement_id,
        "listing_id": judgement.listing_id,
        "coin_id": judgement.coin_id,
        "verdict": judgement.verdict,
        "now_coin_id": now_coin_id,
    }
