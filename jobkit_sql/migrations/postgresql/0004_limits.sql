CREATE TABLE jobkit_limits (
    place text COLLATE "C" PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    per double precision, -- seconds, of a limit on starts
    most integer NOT NULL,
    look_at double precision -- when upkeep is to see whether there is room for those who wait
);
CREATE INDEX jobkit_limits_look_at ON jobkit_limits (look_at) WHERE look_at IS NOT NULL;

-- A place counts only while its job runs under that receipt; a start, for as long as the limit says.
CREATE TABLE jobkit_places (
    place text COLLATE "C" NOT NULL,
    job bigint NOT NULL,
    receipt text COLLATE "C" NOT NULL,
    at double precision NOT NULL,
    PRIMARY KEY (place, job, receipt)
);

-- Who waits for which limit. Called ones are enqueued again, to try.
CREATE TABLE jobkit_blocked (
    job bigint PRIMARY KEY,
    place text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    priority bigint NOT NULL,
    run_at double precision NOT NULL,
    called integer NOT NULL
);
CREATE INDEX jobkit_blocked_next ON jobkit_blocked (place, queue, called, priority, run_at, job);
CREATE INDEX jobkit_blocked_listed ON jobkit_blocked (queue, priority, run_at, job)
    WHERE called = 0;

INSERT INTO jobkit_schema (version, name) VALUES (4, '0004_limits');
