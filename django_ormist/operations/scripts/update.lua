-- Replace the bytes of an object whose index entries, except its deadline, do not change.
--
-- KEYS     1 object (string)  2 expires (sorted set)
-- ARGV     1 id  2 the bytes that must be stored now  3 new bytes
--          4 deadline in ms, "+" and a lifetime in ms, "" for none, before as now
-- RETURNS  1 written; {1, now} the same of a lifetime, now in ms
--          {0, stored} the stored bytes are others (false: none are stored)
--          {3} the deadline is past: nothing was written
--          {-1, key} the key holds another type: nothing was written
-- COST     O(log n + swept entries * log n): half the time of save.lua
-- DERIVED  of objects that are swept, as sweep.lua

local pk, expected, packed, deadline_word = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' then
  return refusal(stored, KEYS[1], 'string')
elseif stored ~= expected then
  return {0, stored}
end
local deadline, is_lifetime
if deadline_word ~= '' then
  -- DEFINE deadline_from with_deadline
  deadline, is_lifetime = deadline_from(deadline_word)
  if deadline <= clock() then
    return {3}
  end
  packed = is_lifetime and with_deadline(packed, deadline) or packed
end
local base, expired = nil, peek_expired(KEYS[2])
if expired then
  -- DEFINE unsweepable
  base = string.sub(KEYS[2], 1, -8)
  local wrong = unsweepable(base, KEYS[2], expired)
  if wrong then
    return wrong
  end
end
-- Out of memory, the first write of a script is refused, and no later one.
if deadline then
  local moved = redis.pcall('ZADD', KEYS[2], deadline, pk)
  if type(moved) == 'table' then
    return refusal(moved, KEYS[2], 'zset')
  end
  redis.call('SET', KEYS[1], packed, 'PXAT', deadline - 1)
else
  redis.call('SET', KEYS[1], packed)
end
if expired then
  -- DEFINE sweep
  sweep(base, peek_expired(KEYS[2]))  -- its own deadline may have been one
end
if is_lifetime then
  -- DEFINE digits
  return {1, digits(clock())}
end
return 1
