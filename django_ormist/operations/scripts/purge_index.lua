-- Remove an id from the indexes that a memo names, if the object does not exist.
--
-- KEYS     1 object (string)  2 all (sorted set)
-- ARGV     1 id  2 memo  3 "1" to remove it from `all`, too
-- RETURNS  1 done; 0 the object exists: nothing was done
-- COST     O(entries log n)
-- DERIVED  the indexes that the memo names

local pk, memo, is_last = ARGV[1], ARGV[2], ARGV[3] == '1'

if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local created = redis.call('ZSCORE', KEYS[2], pk)
purge(string.sub(KEYS[2], 1, -4), pk, memo, created)
if is_last then
  redis.call('ZREM', KEYS[2], pk)
end
return 1
