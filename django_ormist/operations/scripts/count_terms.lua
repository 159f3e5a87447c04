-- Count the live objects that carry every term.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     1 the most looks at ids
-- RETURNS  the number; {} where it takes more looks, so that the client counts in steps
-- COST     O(log n) for one term where nothing is expired; with d expired objects, at most
--          O(min(d, n)), 1 us each, or 0.1 us where few others expire later. Two or more
--          terms: O(terms * the smallest set). At most 0.5 us a look.

-- The common count comes first: the functions for others are not defined for it.
local expiring, now = redis.call('ZCARD', KEYS[2]), nil
local expired_count = 0
if expiring > 0 then
  -- DEFINE clock
  now = clock()
  expired_count = redis.call('ZCOUNT', KEYS[2], '-inf', now)
end
if #KEYS == 2 then
  return redis.call('ZCARD', KEYS[1]) - expired_count
elseif #KEYS == 3 and expired_count == 0 then
  return redis.call('ZCARD', KEYS[3])
end

local CHUNK = 1000
local most = tonumber(ARGV[1])

-- INCLUDE smallest_set

-- INCLUDE keep_matching

-- Count the ids that are in all of the sets, in one command unless the sets are too many
-- for Lua's unpack().
local function count_intersection()
  if #others < CHUNK then
    -- ZINTERCARD came with Redis 7.0; before, the members are counted here.
    local number = redis.pcall('ZINTERCARD', #KEYS - 2, source, unpack(others))
    return type(number) == 'number' and number
      or #redis.call('ZINTER', #KEYS - 2, source, unpack(others))
  end
  local number = 0
  for from = 0, smallest - 1, CHUNK do
    local ids = redis.call('ZRANGE', source, from, from + CHUNK - 1)
    number = number + #keep_matching(ids, others)
  end
  return number
end

-- The server intersects eight ids in the time of one look.
local looks = smallest * #others / 8
local function are_too_many(more)
  looks = looks + more
  return looks > most
end
if are_too_many(0) then
  return {}
end

local total = smallest
if smallest > 0 and #others > 0 then
  total = count_intersection()
end
if total == 0 or expired_count == 0 then
  return total
end
local terms = {source}
for i, key in ipairs(others) do
  terms[i + 1] = key
end

-- Count the ids at these places of `expires` that are in all of the sets.
local function count_expiring(first, last)
  local number = 0
  for from = first, last, CHUNK do
    local ids = redis.call('ZRANGE', KEYS[2], from, math.min(from + CHUNK - 1, last))
    number = number + #keep_matching(ids, terms)
  end
  return number
end

if #others < CHUNK
  and 10 * (expiring - expired_count) < math.min(expired_count, smallest) then
  -- Nearly all that expire are expired: the server counts all that expire in a tenth of
  -- the time, and this script those of them that are not expired.
  if are_too_many(math.min(smallest, expiring) / 8 + expiring - expired_count) then
    return {}
  end
  local all = redis.pcall('ZINTERCARD', #terms + 1, KEYS[2], unpack(terms))
  if type(all) == 'number' then
    return total - all + count_expiring(expired_count, expiring - 1)
  end
end
if are_too_many(math.min(expired_count, smallest) * (1 + #terms)) then
  return {}
elseif expired_count <= smallest then
  return total - count_expiring(0, expired_count - 1)
end
for from = 0, smallest - 1, CHUNK do
  local ids = redis.call('ZRANGE', source, from, from + CHUNK - 1)
  local expired = {}
  for i, score in ipairs(redis.call('ZMSCORE', KEYS[2], unpack(ids))) do
    if score and tonumber(score) <= now then
      expired[#expired + 1] = ids[i]
    end
  end
  total = total - #keep_matching(expired, others)
end
return total
