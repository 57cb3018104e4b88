-- An ordinary run judges only what has changed, so what has changed must be known, whichever process brought it.

-- The run that last changed what a listing is judged by: its identity, its contracts, or that it has a quote at all.
ALTER TABLE listings ADD COLUMN evidence_run_id integer NOT NULL DEFAULT 0;

-- The digest of the rules by which every listing was last judged with all lists complete. Null: not yet, so that what rules
-- say is provisional and computed from nothing.
ALTER TABLE catalog_version ADD COLUMN rules bytea;

-- A listing that leaves its coin gets back the one that it founded: they are looked for by it.
CREATE INDEX coins_by_founder ON coins (founder);
