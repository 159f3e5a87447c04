-- Move a key that is not what it should be out of the way.
--
-- KEYS     1 the key  2 its new name, which is overwritten
-- ARGV     1 the type that it should have, "" for a name that is none of ours
--          2 for how many ms it is kept
-- RETURNS  1 moved; 0 it has that type by now, or is gone
-- COST     O(1)

local found = redis.call('TYPE', KEYS[1])['ok']
if found == ARGV[1] or found == 'none' then
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
local ttl = redis.call('PTTL', KEYS[2])
if ttl < 0 or ttl > tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1
