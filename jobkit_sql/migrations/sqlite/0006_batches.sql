-- Ids grow with time: a nested batch has a greater one than its parent.
CREATE TABLE jobkit_batches (
    id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    parent TEXT,
    callbacks TEXT NOT NULL, -- payloads by event
    fired TEXT NOT NULL, -- the events that came, or 'all' where none is to come
    total INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    created_at REAL NOT NULL,
    touched_at REAL NOT NULL,
    finished_at REAL
);
CREATE INDEX jobkit_batches_finished ON jobkit_batches (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobkit_batches_open ON jobkit_batches (touched_at) WHERE closed = 0;

-- The pending and the failed members. Who succeeded is removed: a batch is as small as what is left.
CREATE TABLE jobkit_members (
    batch TEXT NOT NULL,
    member TEXT NOT NULL, -- the id of a job, or of a nested batch behind 'batch:'
    failed INTEGER NOT NULL,
    PRIMARY KEY (batch, member)
) WITHOUT ROWID;
CREATE INDEX jobkit_members_pending ON jobkit_members (batch, member) WHERE failed = 0;
CREATE INDEX jobkit_members_failed ON jobkit_members (batch, member) WHERE failed = 1;

INSERT INTO jobkit_schema (version, name) VALUES (6, '0006_batches');
