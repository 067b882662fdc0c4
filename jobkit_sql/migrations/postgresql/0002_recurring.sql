CREATE TABLE jobkit_recurring (
    name text COLLATE "C" PRIMARY KEY,
    entry text NOT NULL,
    owner text NOT NULL,
    last double precision NOT NULL, -- only ever grows: that is what makes a tick come once
    paused integer NOT NULL,
    runs text NOT NULL -- the latest ticks with their jobs, newest first, as JSON
);

INSERT INTO jobkit_schema (version, name) VALUES (2, '0002_recurring');
