-- Return the next live ids that carry every term, in order of creation.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     1 "1" for newest first  2 how many ids to read  3, 4 the creation time and the id
--          after which to begin, "" at first  5 the most looks at ids
-- RETURNS  {creation time, id, ids}: the first two for the next call, "" after the last. Of
--          several terms all ids at once, or {}: they take more looks, so that the client
--          reads them as query_ids.lua
-- COST     O(log n + ids), 0.3 us each; several terms: O(terms * the smallest set)
-- DERIVED  none

local CHUNK = 1000

local is_reversed, size, time, place = ARGV[1] == '1', tonumber(ARGV[2]), ARGV[3], ARGV[4]
local most = tonumber(ARGV[5])
local now = clock()

-- INCLUDE places
-- INCLUDE smallest_set
-- INCLUDE keep_matching

local function reverse(ids)
  local reversed = {}
  for i = #ids, 1, -1 do
    reversed[#reversed + 1] = ids[i]
  end
  return reversed
end

-- Return the ids that are not expired.
local function keep_alive(ids)
  if redis.call('ZCOUNT', KEYS[2], '-inf', now) == 0 then
    return ids
  end
  local kept = {}
  for from = 1, #ids, CHUNK do
    local some = {unpack(ids, from, math.min(from + CHUNK - 1, #ids))}
    for i, score in ipairs(redis.call('ZMSCORE', KEYS[2], unpack(some))) do
      if not score or tonumber(score) > now then
        kept[#kept + 1] = some[i]
      end
    end
  end
  return kept
end

if #others > 0 then
  -- The server intersects eight ids in the time of one look, and returns two.
  if smallest * (#others + 4) > 8 * math.max(most, #others) then
    return {}
  elseif #others >= CHUNK then  -- too many for unpack(), and a few ids
    local ids = keep_matching(redis.call('ZRANGE', source, 0, -1), others)
    return {'', '', keep_alive(is_reversed and reverse(ids) or ids)}
  end
  -- The default SUM would pass 2^53 with six terms and lose the order.
  others[#others + 1], others[#others + 2] = 'AGGREGATE', 'MIN'
  local ids = redis.call('ZINTER', #KEYS - 2, source, unpack(others))
  return {'', '', keep_alive(is_reversed and reverse(ids) or ids)}
end
local first, last = 0, redis.call('ZCARD', source)
if place ~= '' then
  local rank = rank_of_place(source, time, place, not is_reversed)
  first, last = is_reversed and 0 or rank, is_reversed and rank or last
end
local ids = {}
if is_reversed and last > 0 then
  ids = reverse(redis.call('ZRANGE', source, math.max(last - size, 0), last - 1))
elseif not is_reversed then
  ids = redis.call('ZRANGE', source, first, first + size - 1)
end
if #ids < size then
  return {'', '', keep_alive(ids)}
end
return {redis.call('ZSCORE', source, ids[size]), ids[size], keep_alive(ids)}
