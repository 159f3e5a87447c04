-- Write a stored object whose terms change, of a model in which nothing expires.
--
-- KEYS     those of save.lua, which includes it
-- ARGV     those of save.lua
-- RETURNS  1 as save.lua; else nothing is written, and save.lua goes on
-- COST     O(terms log n): half the time of the rest of save.lua
--
-- As in insert.lua, the writes find out whether a key holds another type; then they are
-- undone. No keys are moving: EXISTS of several missing keys would fail.

local pk, gained = ARGV[1], 6 + ARGV[7]
local created = gained <= #KEYS
  and redis.pcall('EXISTS', KEYS[3], KEYS[4]) == 0
  and redis.pcall('GET', KEYS[1]) == ARGV[2]
  and redis.pcall('ZSCORE', KEYS[2], pk)
if type(created) == 'string' then
  -- Out of memory, the first write of a script is refused, and no later one.
  local at = gained
  while at <= #KEYS and redis.pcall('ZADD', KEYS[at], created, pk) == 1 do
    at = at + 1
  end
  local lost = 6
  if at > #KEYS then
    while lost < gained and redis.pcall('ZREM', KEYS[lost], pk) == 1 do
      lost = lost + 1
    end
    if lost == gained then
      redis.call('SET', KEYS[1], ARGV[3])
      return 1
    end
  end
  for i = 6, lost - 1 do
    redis.call('ZADD', KEYS[i], created, pk)
  end
  for i = gained, at - 1 do
    redis.call('ZREM', KEYS[i], pk)
  end
end
