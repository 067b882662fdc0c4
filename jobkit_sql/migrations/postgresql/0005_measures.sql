-- Runs by minute (since the epoch), class and bucket of their time; -1 holds those that failed.
CREATE TABLE jobkit_measures (
    minute bigint NOT NULL,
    class text COLLATE "C" NOT NULL,
    bucket integer NOT NULL,
    runs bigint NOT NULL,
    seconds double precision NOT NULL,
    PRIMARY KEY (minute, class, bucket)
);

INSERT INTO jobkit_schema (version, name) VALUES (5, '0005_measures');
