-- Whom the lock of a unique job belongs to: it holds while that job is there and has not ended.
CREATE TABLE jobkit_locks (
    name TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    ends_at REAL -- of a lock that time alone ends, whatever becomes of the job
);
CREATE INDEX jobkit_locks_job ON jobkit_locks (job);
CREATE INDEX jobkit_locks_ends_at ON jobkit_locks (ends_at) WHERE ends_at IS NOT NULL;

INSERT INTO jobkit_schema (version, name) VALUES (3, '0003_unique');
