-- How many live objects carry every term.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     none
-- RETURNS  the number
-- COST     O(log n) for one term where nothing is due; with d objects due, at most
--          O(min(d, n)). Two or more terms: O(terms * the smallest set).

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

if due <= smallest then
  for from = 0, due - 1, CHUNK do
    local till = math.min(from + CHUNK, due) - 1
    total = total - carriers(redis.call('ZRANGE', KEYS[2], from, till), terms)
  end
  return total
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
