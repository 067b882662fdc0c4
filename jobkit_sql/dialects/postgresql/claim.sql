-- One round trip: no plan over all queues in one sort, each queue by its own index.
WITH me AS MATERIALIZED (
    -- A share: whoever declares the worker dead waits until this claim is complete.
    SELECT id FROM {workers} WHERE id = $1 FOR KEY SHARE
),
queue AS MATERIALIZED (
    SELECT named.name, named.nth
    FROM unnest(CAST($2 AS text[])) WITH ORDINALITY AS named (name, nth)
    WHERE NOT EXISTS (SELECT FROM {paused} AS paused WHERE paused.queue = named.name)
    ORDER BY named.nth -- whichever way the paused were joined
),
next AS MATERIALIZED (
    SELECT ready.key, queue.nth, ready.priority, ready.run_at
    FROM me
    CROSS JOIN queue
    CROSS JOIN LATERAL (
        SELECT job.key, job.priority, job.run_at
        FROM {jobs} AS job
        WHERE job.state = 'enqueued' AND job.queue = queue.name
        ORDER BY job.priority, job.run_at, job.key
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS ready
    -- Not sorted, so that it stops at the queue that fills it: without a condition to join by,
    -- only a nested loop is left, which keeps the order of the queues.
    LIMIT $3
),
lent AS (
    -- Not joined: see ack.sql.
    UPDATE {jobs} AS job
    SET state = 'running', at = $4, worker = $1, receipt = $5
    WHERE job.key = ANY (ARRAY(SELECT next.key FROM next))
    RETURNING job.key, job.payload, job.deliveries, job.queue, job.priority, job.run_at
)
SELECT lent.key, lent.payload, lent.deliveries
FROM me
LEFT JOIN lent ON true -- and not to next by the keys, which would be each with each
ORDER BY array_position(CAST($2 AS text[]), lent.queue), lent.priority, lent.run_at, lent.key
