-- Return one page of the objects that carry every term, in order of creation.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     1 "1" for newest first  2 how many live matches to skip
--          3 the size of the page  4 "ids", "objects" or "counters"
--          5 the most looks at ids
-- RETURNS  {ids, objects, counters}: the last two only on request; counters
--          are flat lists of names and values. Expired and missing objects are left out,
--          and the page is filled with the next ones. {}: the page takes more looks; the
--          client reads it in steps
-- COST     O(log n + size) where nothing is expired; else at most one more step for each expired
--          object, 1 us; where nearly all of the set are expired, 0.1 us after 1000 to 5000.
--          Two or more terms: a scan of 1000 ids, then ZINTER. At most 0.5 us a look.
-- DERIVED  the objects and counters of the page

local LONGEST_SCAN = 1000
-- unpack() fails near 8000 values: Lua 5.1's C stack.
local CHUNK = 1000

local is_reversed, start = ARGV[1] == '1', tonumber(ARGV[2])
local need, want, most = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

local base, skip = string.sub(KEYS[1], 1, -4), start
local expired_count, now = 0, nil
if redis.call('ZCARD', KEYS[2]) > 0 then
  -- DEFINE clock
  now = clock()
  expired_count = redis.call('ZCOUNT', KEYS[2], '-inf', now)
end
local range = is_reversed and 'ZREVRANGE' or 'ZRANGE'

-- The common page comes first: of one set, without expired or missing objects. The
-- functions for others are not defined for it.
if expired_count == 0 and #KEYS <= 3 and need <= CHUNK and want ~= 'counters' then
  local ids = redis.call(range, KEYS[3] or KEYS[1], start, start + need - 1)
  local reply = complete_page(base, ids, want)
  if reply then
    return reply
  end
end

-- DEFINE require_all_here
-- The smallest set is scanned; its ids are looked up in the others.
-- INCLUDE smallest_set

-- INCLUDE keep_matching

-- Return the ids that are not expired.
local function keep_alive(ids)
  if expired_count == 0 or #ids == 0 then
    return ids
  end
  local kept = {}
  for i, score in ipairs(redis.call('ZMSCORE', KEYS[2], unpack(ids))) do
    if not score or tonumber(score) > now then
      kept[#kept + 1] = ids[i]
    end
  end
  return kept
end

-- INCLUDE fill_page

-- The scan begins after the ids that can be skipped by rank.
local position = 0
if #others == 0 and skip > 0 then
  if expired_count == 0 then
    position, skip = skip, 0
  elseif expired_count <= skip then
    if 2 * expired_count > most then
      return {}
    end
    local rank, ranks = is_reversed and 'ZREVRANK' or 'ZRANK', {}
    for from = 0, expired_count - 1, CHUNK do
      local to = math.min(from + CHUNK, expired_count) - 1
      for _, pk in ipairs(redis.call('ZRANGE', KEYS[2], from, to)) do
        local place = redis.call(rank, source, pk)
        if place then
          ranks[#ranks + 1] = place
        end
      end
    end
    table.sort(ranks)
    position, skip = skip, 0
    for _, place in ipairs(ranks) do
      if place > position then
        break
      end
      position = position + 1
    end
  end
end

-- Return the ids that are not expired, in the order of the page, where nearly all of a
-- source are expired. The server finds them in a tenth of the time of a scan. Else nil,
-- or false if that takes too many looks.
local function find_alive()
  local size, expiring = redis.call('ZCARD', source), redis.call('ZCARD', KEYS[2])
  if math.max(size, expiring) > 4 * most then
    return false
  end
  -- ZINTERCARD came with Redis 7.0.
  local shared = redis.pcall('ZINTERCARD', 2, source, KEYS[2])
  if type(shared) ~= 'number' or 20 * (size - shared + expiring - expired_count) > size then
    return nil
  end
  local times, holders = {}, {}
  local function add(pk, score)
    local time = tonumber(score or nil)
    if time then
      times[#times + 1] = time
      holders[time] = pk
    end
  end
  local lasting = redis.call('ZDIFF', 2, source, KEYS[2], 'WITHSCORES')
  for i = 1, #lasting, 2 do
    add(lasting[i], lasting[i + 1])
  end
  for from = expired_count, expiring - 1, CHUNK do
    local ids = redis.call('ZRANGE', KEYS[2], from, from + CHUNK - 1)
    for i, score in ipairs(redis.call('ZMSCORE', source, unpack(ids))) do
      add(ids[i], score)
    end
  end
  table.sort(times)
  local ids = {}
  for i, time in ipairs(times) do
    ids[is_reversed and #times + 1 - i or i] = holders[time]
  end
  return ids
end

-- Fill the page anew from a list of ids.
local function refill(ids, passing)
  skip, page, objects, counters = start, {}, {}, {}
  for from = 1, #ids, CHUNK do
    fill_page(passing({unpack(ids, from, math.min(from + CHUNK - 1, #ids))}))
    if #page >= need then
      break
    end
  end
end

local scanned, expired_seen, is_searched = 0, 0, false
while #page < need do
  if scanned * (1 + #others + (expired_count > 0 and 1 or 0)) > most + need then
    return {}
  end
  local size = math.min(math.max(skip + need - #page, 20), CHUNK)
  local ids = redis.call(range, source, position, position + size - 1)
  if #ids == 0 then
    break
  end
  position = position + #ids
  scanned = scanned + #ids
  local is_last = #ids < size
  local met = keep_matching(ids, others)
  local alive = keep_alive(met)
  expired_seen = expired_seen + #met - #alive
  fill_page(alive)
  if is_last then
    break
  end
  if expired_seen >= math.min(most / 5, 5000) and not is_searched and #page < need then
    is_searched = true
    local ids = find_alive()
    if ids == false then
      return {}
    elseif ids then
      refill(ids, function(some)
        return keep_matching(some, others)
      end)
      break
    end
  end
  if #others > 0 and #others < CHUNK and scanned >= LONGEST_SCAN and #page < need then
    -- Few match: let the server intersect, and refill the page.
    -- The server intersects eight ids in the time of one look, and returns two.
    if smallest * (#KEYS + 2) > 8 * most then
      return {}
    end
    local command = {'ZINTER', #KEYS - 2}
    for i = 3, #KEYS do
      command[#command + 1] = KEYS[i]
    end
    -- The default SUM would pass 2^53 with six terms and lose the order.
    command[#command + 1] = 'AGGREGATE'
    command[#command + 1] = 'MIN'
    local all, reversed = redis.call(unpack(command)), {}
    for i = #all, 1, -1 do
      reversed[#reversed + 1] = is_reversed and all[i] or nil
    end
    refill(is_reversed and reversed or all, keep_alive)
    break
  end
end

if want == 'ids' then
  return {page}
elseif want == 'objects' then
  return {page, objects}
end
return {page, objects, counters}
