-- Put new bytes in the place of an object's, where no index entry but its deadline moves.
--
-- KEYS     1 object (string)  2 expires (sorted set)
-- ARGV     1 id  2 the bytes that must be stored now  3 new bytes
--          4 deadline in ms, "" for none, before as now
-- RETURNS  1 written
--          {0, stored} the stored bytes are others (false: none are stored)
--          {3} the deadline is past: nothing was written
--          {-1, key} the key holds another type: nothing was written
-- COST     O(log n); nothing is swept: half the time of save.lua

local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' then
  return refusal(stored, KEYS[1], 'string')
elseif stored ~= ARGV[2] then
  return {0, stored}
end
local deadline = tonumber(ARGV[4])
if not deadline then
  redis.call('SET', KEYS[1], ARGV[3])
  return 1
elseif deadline <= clock() then
  return {3}
end
-- Out of memory, the first write of a script is refused, and no later one.
local moved = redis.pcall('ZADD', KEYS[2], ARGV[4], ARGV[1])
if type(moved) == 'table' then
  return refusal(moved, KEYS[2], 'zset')
end
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', digits(deadline - 1))
return 1
