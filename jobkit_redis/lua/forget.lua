-- include: unlock
-- KEYS: locks. ARGV: names and jobs in turn. Frees each lock if the job has it still.
for i = 1, #ARGV, 2 do unlock(KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
