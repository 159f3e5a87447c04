-- Replace the bytes of an object whose index entries, except its deadline, do not change.
--
-- KEYS     1 object (string)  2 expires (sorted set)
-- ARGV     1 id  2 the bytes that must be stored now  3 new bytes
--          4 deadline in ms, "+" and a lifetime in ms, "" for none, before as now
-- RETURNS  1 written; of a lifetime now in ms, an integer
--          {0, stored} the stored bytes are others (false: none are stored)
--          {3} the deadline is past: nothing was written
--          {-1, key} the key holds another type: nothing was written
-- COST     O(log n + swept entries * log n): half the time of save.lua
-- DERIVED  of objects that are swept, as sweep.lua

local packed = ARGV[3]

local stored = redis.pcall('GET', KEYS[1])
if stored ~= ARGV[2] then
  -- DEFINE refusal
  return type(stored) == 'table' and refusal(stored, KEYS[1], 'string') or {0, stored}
elseif ARGV[4] == '' and redis.pcall('ZCARD', KEYS[2]) == 0 then
  redis.call('SET', KEYS[1], packed)
  return 1
end
-- DEFINE clock
local now = clock()
local deadline, is_lifetime
if ARGV[4] ~= '' then
  -- DEFINE deadline_from
  deadline, is_lifetime = deadline_from(ARGV[4], now)
  if deadline <= now then
    return {3}
  elseif is_lifetime then
    -- DEFINE with_deadline
    packed = with_deadline(packed, deadline)
  end
end
local base, expired
if redis.pcall('ZCOUNT', KEYS[2], '-inf', now) ~= 0 then
  -- DEFINE peek_expired unsweepable
  base, expired = string.sub(KEYS[2], 1, -8), peek_expired(KEYS[2])
  local wrong = unsweepable(base, KEYS[2], expired)
  if wrong then
    return wrong
  end
end
-- Out of memory, the first write of a script is refused, and no later one.
if deadline then
  local moved = redis.pcall('ZADD', KEYS[2], deadline, ARGV[1])
  if type(moved) == 'table' then
    -- DEFINE refusal
    return refusal(moved, KEYS[2], 'zset')
  end
  redis.call('SET', KEYS[1], packed, 'PXAT', deadline - 1)
else
  redis.call('SET', KEYS[1], packed)
end
if expired then
  -- DEFINE peek_expired sweep
  sweep(base, peek_expired(KEYS[2]))  -- its own deadline may have been one
end
return is_lifetime and now or 1
