CREATE TABLE jobkit_schema (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE jobkit_jobs (
    key INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: receipts and locators name it
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    class TEXT NOT NULL,
    run_at REAL NOT NULL, -- due, and the age that decides among equal priorities
    at REAL NOT NULL, -- when it came into its state; due, while it waits for its time
    deliveries INTEGER NOT NULL,
    worker TEXT,
    receipt TEXT,
    payload TEXT NOT NULL -- last: it is long, and what stands before it is read without it
);

-- One for each state, so that no verb meets a row of another one.
CREATE INDEX jobkit_jobs_enqueued ON jobkit_jobs (queue, priority, run_at) WHERE state = 'enqueued';
CREATE INDEX jobkit_jobs_scheduled ON jobkit_jobs (run_at) WHERE state = 'scheduled';
CREATE INDEX jobkit_jobs_retry ON jobkit_jobs (run_at) WHERE state = 'retry';
CREATE INDEX jobkit_jobs_running ON jobkit_jobs (worker, at) WHERE state = 'running';
CREATE INDEX jobkit_jobs_dead ON jobkit_jobs (at) WHERE state = 'dead';
CREATE INDEX jobkit_jobs_completed ON jobkit_jobs (at) WHERE state = 'completed';

CREATE TABLE jobkit_workers (
    id TEXT PRIMARY KEY,
    beat INTEGER NOT NULL,
    lease REAL NOT NULL,
    beat_at REAL NOT NULL, -- shown to people, never compared: the counter tells who is alive
    presence TEXT,
    orders TEXT NOT NULL
);

CREATE TABLE jobkit_paused (
    queue TEXT PRIMARY KEY
);

CREATE TABLE jobkit_stats (
    day TEXT PRIMARY KEY,
    processed INTEGER NOT NULL,
    failed INTEGER NOT NULL
);

INSERT INTO jobkit_schema (version, name) VALUES (1, '0001_initial');
