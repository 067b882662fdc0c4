CREATE TABLE jobkit_limits (
    place TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    per REAL, -- seconds, of a limit on starts
    most INTEGER NOT NULL,
    look_at REAL -- when upkeep is to see whether there is room for those who wait
);
CREATE INDEX jobkit_limits_look_at ON jobkit_limits (look_at) WHERE look_at IS NOT NULL;

-- A place counts only while its job runs under that receipt; a start, for as long as the limit says.
CREATE TABLE jobkit_places (
    place TEXT NOT NULL,
    job INTEGER NOT NULL,
    receipt TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (place, job, receipt)
);

-- Who waits for which limit. Called ones are enqueued again, to try.
CREATE TABLE jobkit_blocked (
    job INTEGER PRIMARY KEY,
    place TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    run_at REAL NOT NULL,
    called INTEGER NOT NULL
);
CREATE INDEX jobkit_blocked_next ON jobkit_blocked (place, queue, called, priority, run_at, job);
CREATE INDEX jobkit_blocked_listed ON jobkit_blocked (queue, priority, run_at, job)
    WHERE called = 0;

INSERT INTO jobkit_schema (version, name) VALUES (4, '0004_limits');
