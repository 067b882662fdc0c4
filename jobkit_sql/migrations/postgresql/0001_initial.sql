CREATE TABLE jobkit_schema (
    version integer PRIMARY KEY,
    name text NOT NULL
);

-- Names and ids are compared as bytes, so that lists have one order in every database.
CREATE TABLE jobkit_jobs (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used twice: receipts name it
    run_at double precision NOT NULL, -- due, and the age that decides among equal priorities
    at double precision NOT NULL, -- when it came into its state; due, while it waits for its time
    priority bigint NOT NULL,
    deliveries integer NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE,
    state text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    class text COLLATE "C" NOT NULL,
    worker text COLLATE "C",
    receipt text COLLATE "C",
    payload text NOT NULL
) WITH (
    -- A queue's rows live for moments: dead ones must go long before a fifth of the table is dead.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05
);

-- One for each state, so that no verb meets a row of another one.
CREATE INDEX jobkit_jobs_enqueued ON jobkit_jobs (queue, priority, run_at, key)
    WHERE state = 'enqueued';
CREATE INDEX jobkit_jobs_scheduled ON jobkit_jobs (run_at, key) WHERE state = 'scheduled';
CREATE INDEX jobkit_jobs_retry ON jobkit_jobs (run_at, key) WHERE state = 'retry';
CREATE INDEX jobkit_jobs_running ON jobkit_jobs (worker, at, key) WHERE state = 'running';
CREATE INDEX jobkit_jobs_dead ON jobkit_jobs (at, key) WHERE state = 'dead';
CREATE INDEX jobkit_jobs_completed ON jobkit_jobs (at, key) WHERE state = 'completed';

CREATE TABLE jobkit_workers (
    id text COLLATE "C" PRIMARY KEY,
    beat bigint NOT NULL,
    lease double precision NOT NULL,
    beat_at double precision NOT NULL, -- shown to people, never compared: the counter tells
    presence text,
    orders text NOT NULL
) WITH (fillfactor = 50); -- beats stay on their page

CREATE TABLE jobkit_paused (
    queue text COLLATE "C" PRIMARY KEY
);

CREATE TABLE jobkit_stats (
    day text COLLATE "C" PRIMARY KEY,
    processed bigint NOT NULL,
    failed bigint NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

INSERT INTO jobkit_schema (version, name) VALUES (1, '0001_initial');
