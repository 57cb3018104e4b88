-- Listings, contracts, quotes and candles are facts as a source stated them. Coins, judgements and prices are our
-- interpretation and can be made again from the facts.

-- Adds the day's partition of a table that is partitioned by day. The new table is made on its own and then attached:
-- attaching takes only SHARE UPDATE EXCLUSIVE, so that no reader waits.
CREATE FUNCTION make_day_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    child text := parent || '_' || to_char(day, 'YYYYMMDD');
    low timestamptz := day::timestamp AT TIME ZONE 'UTC';
    high timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass(format('%I', child)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', child, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, low, high);
    RETURN true;
END $$;

CREATE TABLE runs (
    run_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trigger text NOT NULL,
    status text NOT NULL DEFAULT 'running',
    owner_host text NOT NULL,    -- what a process id is valid within: host, boot and pid namespace
    owner_process text NOT NULL, -- pid and its start time
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    lease_until timestamptz NOT NULL, -- the database's clock
    open boolean NOT NULL DEFAULT true,
    CONSTRAINT runs_status_known CHECK (status IN ('running', 'succeeded', 'degraded', 'failed', 'interrupted', 'abandoned')),
    CONSTRAINT runs_open_while_running CHECK (open = (status = 'running') AND open = (finished_at IS NULL))
);
-- One run at a time, over all processes on this database.
CREATE UNIQUE INDEX runs_one_open ON runs (open) WHERE open;

CREATE TABLE run_sources (
    run_id integer NOT NULL REFERENCES runs ON DELETE CASCADE,
    source text NOT NULL,
    outcome text NOT NULL,
    error text,
    calls integer NOT NULL,
    parts integer NOT NULL,
    rows_received integer NOT NULL,
    rows_written integer NOT NULL,
    rows_revised integer NOT NULL,
    rows_rejected integer NOT NULL,
    duration_seconds float8 NOT NULL,
    PRIMARY KEY (run_id, source),
    CONSTRAINT run_sources_outcome_known CHECK (outcome IN ('succeeded', 'degraded', 'failed', 'skipped'))
);

CREATE TABLE checkpoints (
    stream text NOT NULL,
    part text NOT NULL,
    ordinal integer NOT NULL,
    sweep integer NOT NULL DEFAULT 0, -- 0: known, never committed
    committed_at timestamptz,
    rows integer NOT NULL DEFAULT 0,
    peak_rows integer NOT NULL DEFAULT 0,
    digest bytea NOT NULL DEFAULT '',
    PRIMARY KEY (stream, part),
    CONSTRAINT checkpoints_committed_in_a_sweep CHECK ((sweep > 0) = (committed_at IS NOT NULL))
);

-- Calls spent per source and month; the month is the provider's billing month, in UTC.
CREATE TABLE budgets (
    source text NOT NULL,
    month date NOT NULL,
    calls integer NOT NULL DEFAULT 0,
    PRIMARY KEY (source, month)
);

CREATE TABLE listings (
    listing_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    source_id text NOT NULL,
    symbol text NOT NULL,
    name text NOT NULL,
    active boolean NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL, -- moved on when the row changes, and at most once a day otherwise
    CONSTRAINT listings_source_id_once UNIQUE (source, source_id)
);

-- By source id and not by listing, so that contracts may come before the listing that they are of.
CREATE TABLE listing_contracts (
    source text NOT NULL,
    source_id text NOT NULL,
    platform text NOT NULL,
    address text NOT NULL,
    PRIMARY KEY (source, source_id, platform, address)
);
CREATE INDEX listing_contracts_by_address ON listing_contracts (address);

CREATE TABLE quotes (
    listing_id integer NOT NULL,
    run_id integer NOT NULL,
    observed_at timestamptz NOT NULL,
    price float8 NOT NULL,
    market_cap float8,
    volume_24h float8,
    fetched_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT quotes_price_positive CHECK (price > 0 AND price < 'Infinity'),
    PRIMARY KEY (listing_id, observed_at)
) PARTITION BY RANGE (observed_at);

-- The newest quote of each listing, with the source's row as it came. Rewritten by every run: room for HOT updates.
CREATE TABLE latest_quotes (
    listing_id integer PRIMARY KEY REFERENCES listings,
    run_id integer NOT NULL,
    observed_at timestamptz NOT NULL,
    price float8 NOT NULL,
    market_cap float8,
    volume_24h float8,
    ath_price float8,
    ath_at timestamptz,
    fetched_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    raw json NOT NULL,
    CONSTRAINT latest_quotes_price_positive CHECK (price > 0 AND price < 'Infinity')
) WITH (fillfactor = 60);

CREATE TABLE candles_hourly (
    listing_id integer NOT NULL,
    opens_at timestamptz NOT NULL,
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    samples integer NOT NULL,
    market_cap float8, -- of the last sample
    volume_24h float8, -- of the last sample
    PRIMARY KEY (listing_id, opens_at),
    CONSTRAINT candles_hourly_in_order CHECK (low <= least(open, close) AND high >= greatest(open, close) AND samples > 0)
) PARTITION BY RANGE (opens_at);

CREATE TABLE candles_daily (
    listing_id integer NOT NULL,
    opens_at timestamptz NOT NULL,
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    samples integer NOT NULL,
    market_cap float8,
    volume_24h float8,
    PRIMARY KEY (listing_id, opens_at),
    CONSTRAINT candles_daily_in_order CHECK (low <= least(open, close) AND high >= greatest(open, close) AND samples > 0)
);

CREATE TABLE exchange_rates (
    source text NOT NULL,
    currency text NOT NULL,
    observed_at timestamptz NOT NULL, -- ours: no source dates its rates
    per_usd float8 NOT NULL,
    PRIMARY KEY (currency, source, observed_at),
    CONSTRAINT exchange_rates_positive CHECK (per_usd > 0 AND per_usd < 'Infinity')
);

-- `version` is the catalog version at which a row last changed: what a catalog reads to follow.
CREATE TABLE coins (
    coin_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never shown; keeps the big tables small
    coin_id text NOT NULL,
    symbol text NOT NULL,
    name text NOT NULL,
    merged_into integer REFERENCES coins,
    wraps integer REFERENCES coins,      -- the coin that it stands for: Bitcoin for Wrapped Bitcoin
    founder integer REFERENCES listings, -- the listing whose id the coin bears
    created_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT coins_id_once UNIQUE (coin_id),
    CONSTRAINT coins_not_merged_into_itself CHECK (merged_into <> coin_key)
);
CREATE INDEX coins_by_version ON coins (version);

-- Every source id that is not itself a coin's id; what a listing was once called keeps resolving.
CREATE TABLE coin_aliases (
    alias text PRIMARY KEY,
    coin_key integer NOT NULL REFERENCES coins,
    version bigint NOT NULL
);
CREATE INDEX coin_aliases_by_version ON coin_aliases (version);

CREATE TABLE judgements (
    judgement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    listing_id integer NOT NULL REFERENCES listings,
    coin_key integer NOT NULL REFERENCES coins,
    verdict text NOT NULL,
    rule text NOT NULL,
    confidence float8 NOT NULL,
    evidence jsonb NOT NULL,
    decided_by text NOT NULL DEFAULT 'rule',
    note text,
    created_at timestamptz NOT NULL,
    superseded_at timestamptz,
    version bigint NOT NULL, -- moved on when it is superseded, too
    CONSTRAINT judgements_verdict_known CHECK (verdict IN ('same', 'different', 'unsure')),
    CONSTRAINT judgements_decided_by_known CHECK (decided_by IN ('rule', 'person')),
    CONSTRAINT judgements_confidence_share CHECK (confidence BETWEEN 0 AND 1)
);
-- A listing is one coin at a time.
CREATE UNIQUE INDEX judgements_one_live_same ON judgements (listing_id) WHERE verdict = 'same' AND superseded_at IS NULL;
CREATE UNIQUE INDEX judgements_one_live_per_pair ON judgements (listing_id, coin_key) WHERE superseded_at IS NULL;
CREATE INDEX judgements_live_by_coin ON judgements (coin_key) WHERE superseded_at IS NULL;
CREATE INDEX judgements_by_version ON judgements (version);

CREATE TABLE prices (
    coin_key integer NOT NULL,
    listing_id integer NOT NULL,
    published_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    value float8 NOT NULL,
    confidence float8 NOT NULL,
    spread_pct float8,
    method text NOT NULL,
    PRIMARY KEY (coin_key, published_at),
    CONSTRAINT prices_value_positive CHECK (value > 0 AND value < 'Infinity')
) PARTITION BY RANGE (published_at);

CREATE TABLE latest_prices (
    coin_key integer PRIMARY KEY REFERENCES coins,
    listing_id integer NOT NULL,
    published_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    value float8 NOT NULL,
    method text NOT NULL,
    sources_used text[] NOT NULL,
    spread_pct float8,
    confidence float8 NOT NULL,
    flags text[] NOT NULL,
    market_cap float8,
    volume_24h float8,
    version bigint NOT NULL,
    CONSTRAINT latest_prices_value_positive CHECK (value > 0 AND value < 'Infinity')
) WITH (fillfactor = 60);

CREATE TABLE rejects (
    reject_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id integer NOT NULL,
    stream text NOT NULL,
    part text NOT NULL,
    source_id text,
    reason text NOT NULL,
    row_text text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX rejects_by_time ON rejects (recorded_at);

CREATE TABLE raw_pages (
    raw_page_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id integer NOT NULL,
    stream text NOT NULL,
    part text NOT NULL,
    fetched_at timestamptz NOT NULL,
    sha256 bytea NOT NULL,
    size integer NOT NULL, -- of the body before compression
    body bytea NOT NULL    -- zlib
);
-- It is compressed already.
ALTER TABLE raw_pages ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX raw_pages_by_time ON raw_pages (fetched_at);
CREATE INDEX raw_pages_by_part ON raw_pages (stream, part, fetched_at);

-- Where a source's answers stopped looking as they used to.
CREATE TABLE drift (
    stream text NOT NULL,
    field text NOT NULL,
    kind text NOT NULL, -- 'missing', 'new', 'type'
    verdict text NOT NULL, -- 'accept', 'warn', 'reject'
    share float8 NOT NULL, -- of the rows
    suggestion text,
    score float8,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    run_id integer NOT NULL,
    PRIMARY KEY (stream, field, kind),
    CONSTRAINT drift_verdict_known CHECK (verdict IN ('accept', 'warn', 'reject'))
);

-- One row: what every process polls. `published_run_id` is the last run whose quotes are all in the prices.
CREATE TABLE catalog_version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL,
    published_at timestamptz,
    published_run_id integer NOT NULL
);
INSERT INTO catalog_version (version, published_run_id) VALUES (0, 0);
