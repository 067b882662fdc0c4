-- include: moment push batch
-- KEYS: queues, sequence. ARGV: now, channel, batch, and members whose jobs are nowhere any more.
local batches = keep_batches(KEYS[1], KEYS[2], moment(ARGV[1]), ARGV[2])
for i = 4, #ARGV do batches.ended(ARGV[3], ARGV[i], 'removed') end
if batches.is(ARGV[3]) then batches.look(ARGV[3]) end
return 1
