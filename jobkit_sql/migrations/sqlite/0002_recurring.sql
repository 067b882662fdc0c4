CREATE TABLE jobkit_recurring (
    name TEXT PRIMARY KEY,
    entry TEXT NOT NULL,
    owner TEXT NOT NULL,
    last REAL NOT NULL, -- only ever grows: that is what makes a tick come once
    paused INTEGER NOT NULL,
    runs TEXT NOT NULL -- the latest ticks with their jobs, newest first, as JSON
);

INSERT INTO jobkit_schema (version, name) VALUES (2, '0002_recurring');
