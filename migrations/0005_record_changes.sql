-- What has become of coins, as it is told to those who follow: written in the transaction that publishes it.

-- Publications take turns, so that `change_id` rises in the order in which they become visible.
CREATE TABLE changes (
    version bigint NOT NULL, -- of the catalog that brought it
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    changed_at timestamptz NOT NULL,
    kind text NOT NULL,
    coin_key integer NOT NULL,
    other_key integer,   -- the coin that it became, that it was part of, or that its listing came from
    judgement_id bigint, -- what made it so
    reason text,         -- of what vanished or came back
    was_symbol text,
    was_name text,
    was_sources text[],
    symbol text NOT NULL,
    name text NOT NULL,
    sources text[] NOT NULL, -- that list it
    PRIMARY KEY (version, change_id),
    CONSTRAINT changes_kind_known CHECK (kind IN ('new', 'renamed', 'merged', 'split', 'moved', 'delisted', 'vanished', 'returned'))
);
CREATE INDEX changes_by_time ON changes (changed_at);

-- Each coin as it was last told of. Whatever differs is news, whichever process, run or person brought it about.
CREATE TABLE coins_told (
    coin_key integer PRIMARY KEY,
    symbol text NOT NULL,
    name text NOT NULL,
    merged_into integer,
    sources text[] NOT NULL,
    is_quiet boolean NOT NULL -- no source has quoted it for long
);
CREATE INDEX coins_told_quiet ON coins_told (coin_key) WHERE is_quiet;

-- What there is already is no news.
INSERT INTO coins_told (coin_key, symbol, name, merged_into, sources, is_quiet)
SELECT c.coin_key, c.symbol, c.name, c.merged_into,
       coalesce(array_agg(DISTINCT l.source ORDER BY l.source) FILTER (WHERE l.active), '{}'), false
FROM coins AS c
LEFT JOIN judgements AS j ON j.coin_key = c.coin_key AND j.verdict = 'same' AND j.superseded_at IS NULL
LEFT JOIN listings AS l ON l.listing_id = j.listing_id
GROUP BY c.coin_key;

-- How many of a source's listings were active when a run ended, and how many of these it had quoted within a day. Null: not counted.
ALTER TABLE run_sources
    ADD COLUMN listings_active integer,
    ADD COLUMN listings_quoted integer;
