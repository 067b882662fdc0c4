-- The row is the lock: whatever removes the job, or ends it, frees it in the same step.
ALTER TABLE jobkit_jobs ADD COLUMN unique_key TEXT;

CREATE UNIQUE INDEX jobkit_jobs_unique ON jobkit_jobs (unique_key)
    WHERE unique_key IS NOT NULL AND state <> 'dead' AND state <> 'completed';

-- Locks that end by time alone, and outlive their jobs.
CREATE TABLE jobkit_locks (
    name TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    ends_at REAL NOT NULL
);
CREATE INDEX jobkit_locks_ends_at ON jobkit_locks (ends_at);

INSERT INTO jobkit_schema (version, name) VALUES (3, '0003_unique');
