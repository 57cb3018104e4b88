-- A part of a stream may be a batch: listings of our choice, named one by one, that are asked for together. The ids are kept, so
-- that every process and every restart asks for the same ones.
ALTER TABLE checkpoints
    ADD COLUMN ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN absent text[] NOT NULL DEFAULT '{}', -- of `ids`: the last answer had no price for them
    ADD COLUMN weight float8 NOT NULL DEFAULT 0,    -- what they traded in a day when the batch was laid, US dollars
    ADD COLUMN laid_at timestamptz,
    -- Some hundred rows: checking them takes no time.
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT checkpoints_batches_are_laid CHECK ((laid_at IS NOT NULL) = (ids <> '{}'));
