-- One round trip: no plan over all queues in one sort, each queue by its own index.
WITH me AS MATERIALIZED (
    -- A share: whoever declares the worker dead waits until this claim is complete.
    SELECT id FROM {workers} WHERE id = :borrower FOR KEY SHARE
),
next AS MATERIALIZED (
    SELECT ready.key, queue.nth, ready.priority, ready.run_at
    FROM me
    CROSS JOIN unnest(CAST(:queues AS text[]) COLLATE "C") WITH ORDINALITY AS queue (name, nth)
    CROSS JOIN LATERAL (
        SELECT job.key, job.priority, job.run_at
        FROM {jobs} AS job
        WHERE job.state = 'enqueued' AND job.queue = queue.name
        ORDER BY job.priority, job.run_at, job.key
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE NOT EXISTS (SELECT FROM {paused} AS paused WHERE paused.queue = queue.name)
    -- Not sorted, so that it stops at the queue that fills it: a nested loop keeps their order.
    LIMIT :most
),
lent AS (
    UPDATE {jobs} AS job
    SET state = 'running', at = :now, worker = :borrower, receipt = :token
    FROM next
    WHERE job.key = next.key
    RETURNING job.key, job.payload, job.deliveries, next.nth, next.priority, next.run_at
)
SELECT lent.key, lent.payload, lent.deliveries
FROM me
LEFT JOIN lent ON true
ORDER BY lent.nth, lent.priority, lent.run_at, lent.key
