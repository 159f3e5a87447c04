-- How many live objects carry every term.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     none
-- RETURNS  the number
-- COST     O(log n) for one term where nothing is due; with d objects due, at most
--          O(min(d, n)), 1 us each, or 0.1 us where few are to expire later. Two or more
--          terms: O(terms * the smallest set).

local CHUNK = 1000

local now = clock()
local due = redis.call('ZCOUNT', KEYS[2], '-inf', now)
if #KEYS == 2 then
  return redis.call('ZCARD', KEYS[1]) - due
end

-- INCLUDE smallest

local terms = {source, unpack(others)}
local total = smallest
if smallest > 0 and #others > 0 then
  -- ZINTERCARD came with Redis 7.0; before, the members are counted here.
  total = redis.pcall('ZINTERCARD', #terms, unpack(terms))
  if type(total) == 'table' then
    total = #redis.call('ZINTER', #terms, unpack(terms))
  end
end
if total == 0 or due == 0 then
  return total
end

-- How many of these ids are in every set of `keys`.
local function carriers(ids, keys)
  for _, key in ipairs(keys) do
    if #ids == 0 then
      return 0
    end
    local kept = {}
    for i, score in ipairs(redis.call('ZMSCORE', key, unpack(ids))) do
      if score then
        kept[#kept + 1] = ids[i]
      end
    end
    ids = kept
  end
  return #ids
end

-- How many of the ids at these places of `expires` are in all of the sets.
local function carriers_among(first, last)
  local number = 0
  for from = first, last, CHUNK do
    local ids = redis.call('ZRANGE', KEYS[2], from, math.min(from + CHUNK - 1, last))
    number = number + carriers(ids, terms)
  end
  return number
end

local expiring = redis.call('ZCARD', KEYS[2])
if 10 * (expiring - due) < math.min(due, smallest) then
  -- Nearly all that expire are due: the server counts those that expire in a tenth of the
  -- time, and we those of them that are not due.
  local all = redis.pcall('ZINTERCARD', #terms + 1, KEYS[2], unpack(terms))
  if type(all) == 'number' then
    return total - all + carriers_among(due, expiring - 1)
  end
end
if due <= smallest then
  return total - carriers_among(0, due - 1)
end
for from = 0, smallest - 1, CHUNK do
  local ids = redis.call('ZRANGE', source, from, from + CHUNK - 1)
  local late = {}
  for i, score in ipairs(redis.call('ZMSCORE', KEYS[2], unpack(ids))) do
    if score and tonumber(score) <= now then
      late[#late + 1] = ids[i]
    end
  end
  total = total - carriers(late, others)
end
return total
