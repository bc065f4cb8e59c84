-- Jobs (UWS 1.1). One table is the record, the queue and the truth about every job's phase.

CREATE SCHEMA uws;

-- Every change of phase that there is. The trigger below refuses all others, whoever asks.
CREATE TABLE uws.phase_changes (
    before text NOT NULL,
    after text NOT NULL,
    cause text NOT NULL,
    PRIMARY KEY (before, after)
);
INSERT INTO uws.phase_changes (before, after, cause) VALUES
    ('PENDING', 'QUEUED', 'the client sends PHASE=RUN'),
    ('PENDING', 'ABORTED', 'the client aborts it before it ran'),
    ('QUEUED', 'EXECUTING', 'a worker leases it'),
    ('QUEUED', 'ABORTED', 'the client aborts it before it ran'),
    ('EXECUTING', 'COMPLETED', 'its worker has stored the results'),
    ('EXECUTING', 'ERROR', 'it failed, reached a limit, or was begun in vain too often'),
    ('EXECUTING', 'ABORTED', 'its worker has stopped it as the client asked'),
    ('EXECUTING', 'QUEUED', 'its worker handed it back or was lost'),
    ('COMPLETED', 'ARCHIVED', 'its destruction time came and records are kept'),
    ('ERROR', 'ARCHIVED', 'its destruction time came and records are kept'),
    ('ABORTED', 'ARCHIVED', 'its destruction time came and records are kept');

CREATE TABLE uws.jobs (
    job_id text PRIMARY KEY,
    service text NOT NULL,
    owner text,                             -- authenticated identity; NULL for anonymous
    account text NOT NULL,                  -- whose turn and whose limits: the identity, or the address of the anonymous
    run_id text,
    phase text NOT NULL DEFAULT 'PENDING',
    created timestamptz NOT NULL DEFAULT date_trunc('milliseconds', clock_timestamp()),
    queued timestamptz,
    started timestamptz,
    ended timestamptz,
    execution_duration integer NOT NULL CHECK (execution_duration >= 0),  -- seconds; 0 is without limit
    destruction timestamptz NOT NULL,
    quote timestamptz,
    parameters jsonb NOT NULL DEFAULT '[]', -- [[name, value], …]
    results jsonb NOT NULL DEFAULT '[]',    -- [{id, media_type, size, path, file_name}, …]
    stored_bytes bigint NOT NULL DEFAULT 0, -- size of all results
    error jsonb,                            -- {message, type, code}
    progress jsonb,
    worker_id text,                         -- who holds the lease while EXECUTING
    attempt integer NOT NULL DEFAULT 0,     -- number of leases so far; a worker speaks for its own only
    vain_attempts integer NOT NULL DEFAULT 0,  -- how many of them ended because a worker or the database went away
    abort_asked boolean NOT NULL DEFAULT false,
    deleted boolean NOT NULL DEFAULT false  -- nobody sees it any more; it goes as soon as nothing runs
) WITH (fillfactor = 70);                   -- progress is rewritten in place

CREATE INDEX jobs_listed ON uws.jobs (account, service, created DESC, job_id DESC) WHERE NOT deleted;
CREATE INDEX jobs_by_phase ON uws.jobs (account, service, phase, created DESC, job_id DESC) WHERE NOT deleted;
CREATE INDEX jobs_newest ON uws.jobs (created DESC, job_id DESC) WHERE NOT deleted;  -- the operator's list
CREATE INDEX jobs_waiting ON uws.jobs (account) WHERE phase IN ('PENDING', 'QUEUED') AND NOT deleted;
CREATE INDEX jobs_queued ON uws.jobs (account, queued, job_id) WHERE phase = 'QUEUED' AND NOT deleted;
CREATE INDEX jobs_executing ON uws.jobs (worker_id) WHERE phase = 'EXECUTING';
CREATE INDEX jobs_destruction ON uws.jobs (destruction);
CREATE INDEX jobs_deleted ON uws.jobs (job_id) WHERE deleted;

-- What callers share: the order of turns, and the space that their results take.
CREATE TABLE uws.accounts (
    account text PRIMARY KEY,
    last_turn bigint NOT NULL DEFAULT 0,    -- when a job of it was leased last, counted in leases
    stored_bytes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE SEQUENCE uws.turns;

-- Workers that live. A lease lasts as long as its worker's beat goes on; no clock decides that.
CREATE TABLE uws.workers (
    worker_id text PRIMARY KEY,
    host text NOT NULL,
    machine text NOT NULL,                  -- those of one machine see each other's process numbers
    pid integer NOT NULL,
    slots integer NOT NULL,
    services text[] NOT NULL,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat bigint NOT NULL DEFAULT 0,
    draining boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

CREATE TABLE uws.figures (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    expired_leases bigint NOT NULL DEFAULT 0
);
INSERT INTO uws.figures DEFAULT VALUES;

-- The one place where a phase changes: it lets legal changes pass, writes their times, and tells whoever waits.
CREATE FUNCTION uws.change_phase() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
    IF NOT EXISTS (SELECT FROM uws.phase_changes WHERE before = OLD.phase AND after = NEW.phase) THEN
        RAISE EXCEPTION 'a job cannot go from % to %', OLD.phase, NEW.phase USING ERRCODE = 'check_violation';
    END IF;
    CASE NEW.phase
        WHEN 'QUEUED' THEN
            NEW.queued := coalesce(OLD.queued, moment);  -- handed back, it keeps its place
            NEW.started := NULL;
            NEW.progress := NULL;
            NEW.worker_id := NULL;
            PERFORM pg_notify('vo_job_queued', NEW.service);
        WHEN 'EXECUTING' THEN
            NEW.started := moment;
        WHEN 'COMPLETED', 'ERROR', 'ABORTED' THEN
            NEW.ended := moment;
            NEW.worker_id := NULL;
        ELSE
    END CASE;
    PERFORM pg_notify('vo_job_phase', NEW.job_id || ' ' || NEW.phase);
    RETURN NEW;
END $$;
CREATE TRIGGER change_phase BEFORE UPDATE OF phase ON uws.jobs
    FOR EACH ROW WHEN (OLD.phase IS DISTINCT FROM NEW.phase) EXECUTE FUNCTION uws.change_phase();

-- The space that an account's results take follows its jobs.
CREATE FUNCTION uws.account_for() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE uws.accounts SET stored_bytes = stored_bytes - OLD.stored_bytes WHERE account = OLD.account;
    ELSE
        INSERT INTO uws.accounts AS a (account, stored_bytes) VALUES (NEW.account, NEW.stored_bytes - OLD.stored_bytes)
        ON CONFLICT (account) DO UPDATE SET stored_bytes = a.stored_bytes + excluded.stored_bytes;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER account_for_stored AFTER UPDATE OF stored_bytes ON uws.jobs
    FOR EACH ROW WHEN (OLD.stored_bytes <> NEW.stored_bytes) EXECUTE FUNCTION uws.account_for();
CREATE TRIGGER account_for_destroyed AFTER DELETE ON uws.jobs
    FOR EACH ROW WHEN (OLD.stored_bytes > 0) EXECUTE FUNCTION uws.account_for();

-- Who waits for a job hears of its end, and its worker of the wish to stop it.
CREATE FUNCTION uws.tell_stop() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('vo_job_stop', NEW.job_id);
    IF NEW.deleted THEN
        PERFORM pg_notify('vo_job_phase', NEW.job_id || ' DELETED');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_stop AFTER UPDATE OF abort_asked, deleted ON uws.jobs
    FOR EACH ROW WHEN (NEW.abort_asked AND NOT OLD.abort_asked OR NEW.deleted AND NOT OLD.deleted)
    EXECUTE FUNCTION uws.tell_stop();
