-- Ids grow with time: a nested batch has a greater one than its parent.
CREATE TABLE jobkit_batches (
    id text COLLATE "C" PRIMARY KEY,
    description text NOT NULL,
    parent text COLLATE "C",
    callbacks text NOT NULL, -- payloads by event
    fired text NOT NULL, -- the events that came, or 'all' where none is to come
    total bigint NOT NULL,
    closed integer NOT NULL,
    cancelled integer NOT NULL,
    created_at double precision NOT NULL,
    touched_at double precision NOT NULL,
    finished_at double precision
) WITH (fillfactor = 70);
CREATE INDEX jobkit_batches_finished ON jobkit_batches (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobkit_batches_open ON jobkit_batches (touched_at) WHERE closed = 0;

-- The pending and the failed members. Who succeeded is removed: a batch is as small as what is left.
CREATE TABLE jobkit_members (
    batch text COLLATE "C" NOT NULL,
    member text COLLATE "C" NOT NULL, -- the id of a job, or of a nested batch behind 'batch:'
    failed integer NOT NULL,
    PRIMARY KEY (batch, member)
);
CREATE INDEX jobkit_members_pending ON jobkit_members (batch, member) WHERE failed = 0;
CREATE INDEX jobkit_members_failed ON jobkit_members (batch, member) WHERE failed = 1;

INSERT INTO jobkit_schema (version, name) VALUES (6, '0006_batches');
