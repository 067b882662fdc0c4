-- One round trip for jobs that are done. Receipts are "key.token", with commas between them.
WITH given AS MATERIALIZED (
    SELECT CAST(split_part(receipt, '.', 1) AS bigint) AS key, split_part(receipt, '.', 2) AS token
    FROM unnest(string_to_array($1, ',')) AS receipts (receipt)
),
held AS MATERIALIZED (
    -- In the order of their keys, so that two batches never wait for each other.
    SELECT job.key
    FROM given
    JOIN {jobs} AS job ON job.key = given.key
    WHERE job.receipt = given.token
    ORDER BY job.key
    FOR UPDATE OF job
),
gone AS (
    DELETE FROM {jobs} AS job USING held WHERE job.key = held.key RETURNING job.key
),
counted AS (
    -- Needs all of them, and so comes last: every settlement of every worker meets in this row.
    INSERT INTO {stats} AS total (day, processed, failed)
    SELECT $2, count(*), 0 FROM gone HAVING count(*) > 0
    ON CONFLICT (day) DO UPDATE SET processed = total.processed + excluded.processed
)
SELECT key FROM gone
