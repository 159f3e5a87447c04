-- Add to one counter of an object that exists.
--
-- KEYS     1 object (string)  2 counters (hash)  3 expires (sorted set)
-- ARGV     1 id  2 counter  3 how much, an integer
--          4, 5 the lowest and the highest stored value that allow it, integers or '';
--          left out if there are neither
-- RETURNS  the new value, as text from 2^53 on; false if there is no such object;
--          {-1, key} the key holds another type; {-2} past 64 bits: not added;
--          {-3} the stored value is not an integer; {-4, stored value} not allowed
-- COST     O(log n + swept entries * log n)
-- DERIVED  of objects that are swept, as sweep.lua

local pk, name, by = ARGV[1], ARGV[2], ARGV[3]
local lowest, highest = ARGV[4] or '', ARGV[5] or ''

local size = redis.pcall('STRLEN', KEYS[1])
if type(size) == 'table' then
  -- DEFINE refusal
  return refusal(size, KEYS[1], 'string')
end
local base, expired
local is_expiring = redis.pcall('ZCARD', KEYS[3]) ~= 0
if is_expiring then
  -- DEFINE mistyped peek_expired unsweepable
  base, expired = string.sub(KEYS[3], 1, -8), peek_expired(KEYS[3])
  local wrong = mistyped(KEYS, 2, 2, 'hash') or expired and unsweepable(base, KEYS[3], expired)
  if wrong then
    return wrong
  end
end
if size == 0 and redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
if lowest ~= '' or highest ~= '' then
  -- Whether one integer is below another. They are texts: numbers are exact to 2^53 only.
  local function is_below(one, other)
    local is_negative = string.sub(one, 1, 1) == '-'
    if is_negative ~= (string.sub(other, 1, 1) == '-') then
      return is_negative
    elseif #one ~= #other then
      return (#one < #other) ~= is_negative
    end
    return one ~= other and (one < other) ~= is_negative
  end

  local stored = redis.pcall('HGET', KEYS[2], name) or '0'
  if type(stored) == 'table' then
    -- DEFINE refusal
    return refusal(stored, KEYS[2], 'hash')
  end
  if not string.find(stored, '^%-?%d+$') then
    return {-3}
  elseif lowest ~= '' and is_below(stored, lowest)
    or highest ~= '' and is_below(highest, stored) then
    return {-4, stored}
  end
end
-- HINCRBY checks the sum itself.
local count = redis.pcall('HINCRBY', KEYS[2], name, by)
if type(count) == 'table' then
  local held = redis.pcall('HGET', KEYS[2], name)
  if type(held) == 'table' then
    -- DEFINE refusal
    return refusal(held, KEYS[2], 'hash')
  elseif held and not string.find(held, '^%-?%d+$') then
    return {-3}
  end
  -- Full memory or a replica refuses to add nothing as well; a sum does not.
  local refused = redis.pcall('HINCRBY', KEYS[2], name, 0)
  return type(refused) == 'table' and refused or {-2}
end
if is_expiring then
  -- DEFINE sweep
  local deadline = redis.call('ZSCORE', KEYS[3], pk)
  if deadline then
    redis.call('PEXPIREAT', KEYS[2], tonumber(deadline) - 1)
  end
  sweep(base, expired)
end
-- A number of Lua would lose digits past 2^53.
return math.abs(count) < 2 ^ 53 and count or redis.call('HGET', KEYS[2], name)
