-- One round trip for jobs that are done. Receipts are "key.token", with commas between them.
WITH given AS MATERIALIZED (
    SELECT CAST(split_part(receipt, '.', 1) AS bigint) AS key, split_part(receipt, '.', 2) AS token
    FROM unnest(string_to_array($1, ',')) AS receipts (receipt)
),
held AS MATERIALIZED (
    -- In the order of their keys, so that two batches never wait for each other. One by one, as all
    -- plans here: joined to a table that was short when the plan was made, and is long by now, they
    -- would be found by reading it from end to end.
    SELECT job.key
    FROM (SELECT given.key, given.token FROM given ORDER BY given.key) AS given
    CROSS JOIN LATERAL (
        SELECT job.key
        FROM {jobs} AS job
        WHERE job.key = given.key AND job.receipt = given.token
        LIMIT 1
        FOR UPDATE
    ) AS job
),
gone AS (
    DELETE FROM {jobs} AS job WHERE job.key = ANY (ARRAY(SELECT held.key FROM held)) RETURNING job.key
),
counted AS (
    -- Needs all of them, and so comes last: every settlement of every worker meets in this row.
    INSERT INTO {stats} AS total (day, processed, failed)
    SELECT $2, count(*), 0 FROM gone HAVING count(*) > 0
    ON CONFLICT (day) DO UPDATE SET processed = total.processed + excluded.processed
)
SELECT key FROM gone
