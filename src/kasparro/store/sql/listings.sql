-- Listings and their contracts: who a source says there is. Rows are inserted only where they are missing and not by
-- an upsert: a refused upsert uses up a number of the identity column, which would be spent within a year.

-- name: write_listings
-- Insert the listings that are not known yet and, with $8, take over what a source's list says differently now, noting once a day that a
-- listing was seen. Answers those that are new or other ones.
WITH incoming AS MATERIALIZED (
    SELECT l.listing_id, u.source_id, u.symbol, u.name, coalesce(u.active, l.active, true) AS active,
           (l.symbol, l.name, l.active) IS DISTINCT FROM (u.symbol, u.name, coalesce(u.active, l.active)) AS changed
    FROM unnest($2::text::text[], $3::text::text[], $4::text::text[], $5::text::boolean[]) AS u (source_id, symbol, name, active)
    LEFT JOIN listings AS l ON l.source = $1 AND l.source_id = u.source_id
    WHERE l.listing_id IS NULL
       OR $8 AND ((l.symbol, l.name, l.active) IS DISTINCT FROM (u.symbol, u.name, coalesce(u.active, l.active))
                  OR l.last_seen_at < $6::timestamptz - interval '1 day')
), inserted AS (
    INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at, evidence_run_id)
    SELECT $1, source_id, symbol, name, active, $6, $6, $7 FROM incoming WHERE listing_id IS NULL
    ON CONFLICT DO NOTHING
    RETURNING listing_id
), updated AS (
    UPDATE listings AS l
    SET symbol = i.symbol, name = i.name, active = i.active, last_seen_at = $6,
        evidence_run_id = CASE WHEN i.changed THEN $7 ELSE l.evidence_run_id END
    FROM incoming AS i WHERE l.listing_id = i.listing_id
    RETURNING l.listing_id, i.changed
)
SELECT listing_id FROM inserted
UNION ALL
SELECT listing_id FROM updated WHERE changed;

-- name: deactivate_vanished_listings
-- Listings that a source's complete list no longer names.
UPDATE listings AS l SET active = false, evidence_run_id = $3
WHERE l.source = $1 AND l.active AND NOT EXISTS (SELECT FROM unnest($2::text::text[]) AS u (source_id) WHERE u.source_id = l.source_id)
RETURNING l.listing_id;

-- name: select_contracts
-- A source's contracts, of one platform or ($2 null) of all.
SELECT source_id, platform, address FROM listing_contracts WHERE source = $1 AND ($2::text IS NULL OR platform = $2);

-- name: insert_contracts
-- Contracts that a source now gives.
INSERT INTO listing_contracts (source, source_id, platform, address)
SELECT $1, u.source_id, u.platform, u.address
FROM unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS u (source_id, platform, address)
ON CONFLICT DO NOTHING;

-- name: note_evidence
-- What listings are judged by has changed in a run.
UPDATE listings AS l SET evidence_run_id = $3
FROM unnest($2::text::text[]) AS u (source_id) WHERE l.source = $1 AND l.source_id = u.source_id
RETURNING l.listing_id;

-- name: delete_contracts
-- Contracts that a source no longer gives.
DELETE FROM listing_contracts AS c
USING unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS u (source_id, platform, address)
WHERE c.source = $1 AND c.source_id = u.source_id AND c.platform = u.platform AND c.address = u.address;

-- name: select_names
-- What every listing is called.
SELECT listing_id, source, source_id, symbol, name FROM listings;

-- name: select_addresses
-- The addresses of a source's contracts, with the listings that they are of.
SELECT l.listing_id, c.address
FROM listing_contracts AS c
JOIN listings AS l ON l.source = c.source AND l.source_id = c.source_id
WHERE c.source = $1;

-- name: select_evidence
-- What a listing is judged by, in the order of listing_id, from after $1 on. So are quotes: each time, all of them would be read up to there.
SELECT l.listing_id, l.source, l.source_id, l.symbol, l.name, l.active, c.platforms, c.addresses,
       q.price, q.observed_at, q.market_cap, q.volume_24h, q.ath_price, q.ath_at, l.first_seen_at
FROM listings AS l
LEFT JOIN latest_quotes AS q ON q.listing_id = l.listing_id AND q.listing_id > $1
LEFT JOIN LATERAL (
    SELECT array_agg(t.platform ORDER BY t.platform, t.address) AS platforms, array_agg(t.address ORDER BY t.platform, t.address) AS addresses
    FROM listing_contracts AS t WHERE t.source = l.source AND t.source_id = l.source_id
) AS c ON true
WHERE l.listing_id > $1
ORDER BY l.listing_id
LIMIT $2;

-- name: select_evidence_of
-- What the given listings are judged by.
SELECT l.listing_id, l.source, l.source_id, l.symbol, l.name, l.active, c.platforms, c.addresses,
       q.price, q.observed_at, q.market_cap, q.volume_24h, q.ath_price, q.ath_at, l.first_seen_at
FROM listings AS l
LEFT JOIN latest_quotes AS q USING (listing_id)
LEFT JOIN LATERAL (
    SELECT array_agg(t.platform ORDER BY t.platform, t.address) AS platforms, array_agg(t.address ORDER BY t.platform, t.address) AS addresses
    FROM listing_contracts AS t WHERE t.source = l.source AND t.source_id = l.source_id
) AS c ON true
WHERE l.listing_id = ANY($1::integer[]);

-- name: select_news
-- The listings of which runs from $1 to before $2 changed what they are judged by, and those that are not judged to be any coin.
SELECT l.listing_id
FROM listings AS l
WHERE (l.evidence_run_id >= $1 AND l.evidence_run_id < $2)
   OR NOT EXISTS (SELECT FROM judgements AS j WHERE j.listing_id = l.listing_id AND j.verdict = 'same' AND j.superseded_at IS NULL);

-- name: select_parted
-- Of coins that the given listings are, all listings where prices have parted: the logarithms of two differ by more than $2, and by
-- $3 more per root of the hours that lie between the observations, of which there are at most $4.
SELECT unnest(array_agg(q.listing_id)) AS listing_id
FROM judgements AS j
JOIN latest_quotes AS q USING (listing_id)
WHERE j.verdict = 'same' AND j.superseded_at IS NULL
  AND j.coin_key IN (SELECT m.coin_key FROM judgements AS m
                     WHERE m.listing_id = ANY($1::integer[]) AND m.verdict = 'same' AND m.superseded_at IS NULL)
GROUP BY j.coin_key
HAVING ln(max(q.price)) - ln(min(q.price))
       > $2::float8 + $3::float8 * sqrt(extract(epoch FROM max(q.observed_at) - min(q.observed_at))::float8 / 3600)
   AND max(q.observed_at) - min(q.observed_at) <= make_interval(hours => $4);

-- name: select_listing
-- A source's listing by its id there.
SELECT listing_id FROM listings WHERE source = $1 AND source_id = $2;

-- name: select_traded
-- A source's active listings that can be named in a list of ids, by the volume that they traded last; those without a quote last.
SELECT l.source_id, q.volume_24h AS volume, q.listing_id IS NOT NULL AS quoted
FROM listings AS l
LEFT JOIN latest_quotes AS q USING (listing_id)
WHERE l.source = $1 AND l.active AND position(',' IN l.source_id) = 0
ORDER BY q.volume_24h DESC NULLS LAST, q.listing_id IS NULL, l.source_id;

-- name: select_newcomers
-- A source's active listings that are in no batch of a stream.
SELECT source_id FROM listings WHERE source = $1 AND active AND position(',' IN source_id) = 0
EXCEPT
SELECT unnest(ids) FROM checkpoints WHERE stream = $2
ORDER BY source_id;
