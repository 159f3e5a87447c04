-- One page of the objects that carry every term, in order of creation.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     1 "1" for newest first  2 how many live matches to pass over
--          3 the size of the page  4 "ids", "objects" or "counters"
-- RETURNS  {ids, objects, counters}: the last two only when asked for; counters
--          are flat lists of names and values. What is due or gone is left out,
--          and the page filled with what comes after it.
-- COST     O(log n + size) where nothing is due; else at most one step more for
--          each due object. Two or more terms: a walk of 1000 steps, then ZINTER.
-- DERIVED  the objects and counters of the page

local LONGEST_WALK = 1000
-- unpack() fails near 8000 values: Lua 5.1's C stack.
local CHUNK = 1000

local base = string.sub(KEYS[1], 1, -4)
local is_reversed = ARGV[1] == '1'
local skip, need, want = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local now = clock()
local due = redis.call('ZCOUNT', KEYS[2], '-inf', now)

-- The smallest set is walked; the others are probed.
-- INCLUDE smallest

local range = is_reversed and 'ZREVRANGE' or 'ZRANGE'

-- The ids that every other set has too.
local function matching(ids)
  for _, key in ipairs(others) do
    if #ids == 0 then
      return ids
    end
    local kept = {}
    for i, score in ipairs(redis.call('ZMSCORE', key, unpack(ids))) do
      if score then
        kept[#kept + 1] = ids[i]
      end
    end
    ids = kept
  end
  return ids
end

-- The ids that are not due.
local function living(ids)
  if due == 0 or #ids == 0 then
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

-- INCLUDE fill

-- Where the walk begins: past what can be jumped over by rank.
local position = 0
if #others == 0 and skip > 0 then
  if due == 0 then
    position, skip = skip, 0
  elseif due <= skip then
    local rank, ranks = is_reversed and 'ZREVRANK' or 'ZRANK', {}
    for from = 0, due - 1, CHUNK do
      local till = math.min(from + CHUNK, due) - 1
      for _, pk in ipairs(redis.call('ZRANGE', KEYS[2], from, till)) do
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

local walked = 0
while #page < need do
  local size = math.min(math.max(skip + need - #page, 20), CHUNK)
  local ids = redis.call(range, source, position, position + size - 1)
  if #ids == 0 then
    break
  end
  position = position + #ids
  walked = walked + #ids
  local is_last = #ids < size
  fill(living(matching(ids)))
  if is_last then
    break
  end
  if #others > 0 and walked >= LONGEST_WALK and #page < need then
    -- Too few meet: let the server intersect, and fill the page anew.
    local command = {'ZINTER', #KEYS - 2}
    for i = 3, #KEYS do
      command[#command + 1] = KEYS[i]
    end
    -- The default SUM would pass 2^53 with six terms and lose the order.
    command[#command + 1] = 'AGGREGATE'
    command[#command + 1] = 'MIN'
    local all = redis.call(unpack(command))
    local met = {}
    skip, page, objects, counters = tonumber(ARGV[2]), {}, {}, {}
    local from, till, step = 1, #all, 1
    if is_reversed then
      from, till, step = #all, 1, -1
    end
    for i = from, till, step do
      met[#met + 1] = all[i]
      if #met == CHUNK or i == till then
        fill(living(met))
        met = {}
        if #page >= need then
          break
        end
      end
    end
    break
  end
end

if want == 'ids' then
  return {page}
elseif want == 'objects' then
  return {page, objects}
end
return {page, objects, counters}
