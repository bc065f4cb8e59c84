-- Computations as jobs: what a job tells of itself, and workers that are to take no more.

ALTER TABLE uws.jobs ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';  -- {plan, requested, found, failed, notes}

ALTER TABLE uws.workers ADD COLUMN rests boolean NOT NULL DEFAULT false;  -- the operator wants it to begin no job
