-- Tables of callers: those sent with a query, which end with it, and those that are kept until their owner removes them.

CREATE SCHEMA vo_upload;
GRANT USAGE ON SCHEMA vo_upload TO vo_tap;

CREATE TABLE vo.caller_tables (
    table_id integer PRIMARY KEY,           -- the physical table is vo_upload.t<table_id>
    account text NOT NULL,                  -- whose space it takes
    owner text,                             -- authenticated identity; NULL for anonymous
    name text NOT NULL,                     -- as queries call it
    kept boolean NOT NULL DEFAULT false,    -- false: it ends with the session that holds the advisory lock of its id
    bytes bigint NOT NULL DEFAULT 0,
    row_count bigint NOT NULL DEFAULT 0,
    created timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX caller_tables_account ON vo.caller_tables (account);
CREATE SEQUENCE vo.caller_table_id AS integer CYCLE;

-- Files that came with a job's parameters take their owner's space like its results.
ALTER TABLE uws.jobs ADD COLUMN inputs jsonb NOT NULL DEFAULT '[]';  -- [{part, media_type, size, path, file_name}, …]

CREATE OR REPLACE FUNCTION uws.account_for() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    before bigint := 0;
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE uws.accounts SET stored_bytes = stored_bytes - OLD.stored_bytes WHERE account = OLD.account;
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := OLD.stored_bytes;
    END IF;
    INSERT INTO uws.accounts AS a (account, stored_bytes) VALUES (NEW.account, NEW.stored_bytes - before)
    ON CONFLICT (account) DO UPDATE SET stored_bytes = a.stored_bytes + excluded.stored_bytes;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_inputs AFTER INSERT ON uws.jobs
    FOR EACH ROW WHEN (NEW.stored_bytes > 0) EXECUTE FUNCTION uws.account_for();
