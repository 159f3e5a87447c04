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

-- INCLUDE smallest_set

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

-- How many ids are in all of the sets, in the server's own step where they are not too
-- many for Lua's unpack().
local function intersection()
  if #others < CHUNK then
    -- ZINTERCARD came with Redis 7.0; before, the members are counted here.
    local number = redis.pcall('ZINTERCARD', #KEYS - 2, source, unpack(others))
    return type(number) == 'number' and number
      or #redis.call('ZINTER', #KEYS - 2, source, unpack(others))
  end
  local number = 0
  for from = 0, smallest - 1, CHUNK do
    number = number + carriers(redis.call('ZRANGE', source, from, from + CHUNK - 1),
      others)
  end
  return number
end

local total = smallest
if smallest > 0 and #others > 0 then
  total = intersection()
end
if total == 0 or due == 0 then
  return total
end
local terms = {source}
for i, key in ipairs(others) do
  terms[i + 1] = key
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
if #others < CHUNK and 10 * (expiring - due) < math.min(due, smallest) then
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
