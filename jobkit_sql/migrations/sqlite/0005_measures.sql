-- Runs by minute (since the epoch), class and bucket of their time; -1 holds those that failed.
CREATE TABLE jobkit_measures (
    minute INTEGER NOT NULL,
    class TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (minute, class, bucket)
) WITHOUT ROWID;

INSERT INTO jobkit_schema (version, name) VALUES (5, '0005_measures');
