-- Remove the leftovers of objects that the server removed before their deadline.
--
-- KEYS     1 expires (sorted set)  2 all (sorted set)  3 memos (hash)
-- ARGV     ids, 1 to 500; of objects that are stored, or never expired, nothing is done
-- RETURNS  how many were swept; 0 too where this server takes no writes, and while keys of
--          this slot are moving: an object may be on the other node
--          {-1, key} that key holds another type
-- COST     O(swept entries * log n): 1 to 5 ms; so fewer may be swept
-- DERIVED  the objects, their counters, and the indexes that their memos name

local base = string.sub(KEYS[2], 1, -4)
if is_moving(base) then
  return 0
end
local wrong = mistyped(KEYS, 1, 2, 'zset') or mistyped(KEYS, 3, 3, 'hash')
if wrong then
  return wrong
end
local gone, deadlines = {}, redis.call('ZMSCORE', KEYS[1], unpack(ARGV))
for i, pk in ipairs(ARGV) do
  if deadlines[i] and redis.call('EXISTS', base .. 'o:' .. pk) == 0 then
    gone[#gone + 1] = pk
  end
end
if #gone == 0 or type(redis.pcall('UNLINK', base .. 'c:' .. gone[1])) == 'table' then
  return 0
end
return sweep(base, gone)
