-- Remove a stored object with terms alone, of a model in which nothing expires.
--
-- KEYS     those of delete.lua, which includes it
-- ARGV     those of delete.lua
-- RETURNS  1 as delete.lua; else nothing is removed, and delete.lua goes on
-- COST     O(terms log n): half the time of the rest of delete.lua
--
-- As in insert.lua, the writes find out whether a key holds another type; then they are
-- undone. No keys are moving: EXISTS of several missing keys would fail.

local pk = ARGV[1]
local created = redis.pcall('EXISTS', KEYS[3], KEYS[4], KEYS[5]) == 0
  and redis.pcall('GET', KEYS[1]) == ARGV[2]
  and redis.pcall('ZSCORE', KEYS[2], pk)
if type(created) == 'string' then
  local at = 6
  while at <= #KEYS and redis.pcall('ZREM', KEYS[at], pk) == 1 do
    at = at + 1
  end
  if at > #KEYS then
    redis.call('ZREM', KEYS[2], pk)
    redis.call('DEL', KEYS[1])
    return 1
  end
  for i = 6, at - 1 do
    redis.call('ZADD', KEYS[i], created, pk)
  end
end
