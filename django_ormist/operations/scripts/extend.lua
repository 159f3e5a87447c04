-- Move the deadline of one object. Only the last bytes of the object change.
--
-- KEYS     1 object (string)  2 expires (sorted set)  3 counters (hash), of a model
--          that has any
-- ARGV     1 id  2 the bytes with which the stored ones must begin
--          3 deadline in ms, or "+" and a lifetime in ms
--          4 the new trailing bytes  5 how many of these must be stored there now
-- RETURNS  1 moved; of a lifetime now in ms, an integer; {0} there is no such object
--          {0, 1} the stored bytes begin otherwise, or hold no deadline
--          {3} the deadline is past: nothing was written
--          {-1, key} the key holds another type: nothing was written
-- COST     O(log n + swept entries * log n), whatever the size of the object
-- DERIVED  of objects that are swept, as sweep.lua

local pk, head = ARGV[1], ARGV[2]
local deadline, is_lifetime = deadline_from(ARGV[3], clock())
local tail, mark_size = ARGV[4], tonumber(ARGV[5])

local base = string.sub(KEYS[2], 1, -8)
if is_lifetime and deadline > clock() then
  tail = with_deadline(tail, deadline)
end

local size = redis.pcall('STRLEN', KEYS[1])
if type(size) == 'table' then
  return refusal(size, KEYS[1], 'string')
elseif size == 0 then
  return {0}
end
local at = size - #tail
local mark = string.sub(tail, 1, mark_size)
if at < #head or redis.call('GETRANGE', KEYS[1], 0, #head - 1) ~= head
  or redis.call('GETRANGE', KEYS[1], at, at + #mark - 1) ~= mark then
  return {0, 1}
end
if deadline <= clock() then
  return {3}
end
local wrong = KEYS[3] and mistyped(KEYS, 3, 3, 'hash')
local expired = peek_expired(KEYS[2])
if expired then
  -- DEFINE unsweepable
  wrong = wrong or unsweepable(base, KEYS[2], expired)
end
if wrong then
  return wrong
end
-- Out of memory, the first write of a script is refused, and no later one.
local moved = redis.pcall('ZADD', KEYS[2], deadline, pk)
if type(moved) == 'table' then
  return refusal(moved, KEYS[2], 'zset')
end
redis.call('SETRANGE', KEYS[1], at, tail)
redis.call('PEXPIREAT', KEYS[1], deadline - 1)
if KEYS[3] then
  redis.call('PEXPIREAT', KEYS[3], deadline - 1)
end
if expired then
  -- DEFINE sweep
  sweep(base, peek_expired(KEYS[2]))  -- its own deadline may have been one
end
return is_lifetime and clock() or 1
