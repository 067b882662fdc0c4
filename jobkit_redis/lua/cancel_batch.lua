-- include: moment push batch
-- KEYS: queues, sequence. ARGV: now, channel, batch, 1 if it is to be forgotten.
-- Returns 0 when it has finished or is not there.
local batches = keep_batches(KEYS[1], KEYS[2], moment(ARGV[1]), ARGV[2])
return batches.cancel(ARGV[3], ARGV[4] == '1')
