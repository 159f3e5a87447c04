-- Count the live objects that meet a condition, by value of ordered attributes.
--
-- KEYS     as query.lua
-- ARGV     1 number of attributes, then of each the number of its key; then "1" to get
--          an object of each value; then a condition, as conditions.lua
-- RETURNS  {number of matches, then of each attribute a list of sort keys in no order,
--          one of counts, one of objects (false: gone, or not requested)}; of more than
--          1000 values only those of the lowest and the highest have an object
-- COST     of all objects, 2 us a value of few values, 0.5 us an object of many; of some
--          1 us an id of the smallest condition and 0.3 us each attribute
-- DERIVED  the objects

-- INCLUDE conditions
-- INCLUDE matching

local attributes, following = tonumber(ARGV[1]), tonumber(ARGV[1]) + 2
local wants_objects = ARGV[following] == '1'
local node = condition(following + 1)
local matches = 0

-- Return a table of counts by sort key, and of one id for each.
local function new_facet(place)
  return {key = KEYS[place], sort_keys = KEYS[place + 1], counts = {}, holders = {}}
end

local function add(facet, sort_key, pk, count)
  facet.counts[sort_key] = (facet.counts[sort_key] or 0) + count
  facet.holders[sort_key] = pk
end

local function add_all(facet, ids, sign)
  for i, sort_key in ipairs(call_chunked('HMGET', facet.sort_keys, ids)) do
    if sort_key then
      add(facet, sort_key, sign > 0 and ids[i] or facet.holders[sort_key], sign)
    end
  end
end

-- Count all objects along the index, and skip runs of equal values by their size.
local function count_runs(facet)
  local index = range(facet.key, facet.sort_keys, '', HIGHEST)
  local position, size = 0, 16
  while position < index.size do
    local entries, runs, last = index_slice(index, position, size, false), 0, nil
    local held = 0
    for _, entry in ipairs(entries) do
      local pk, sort_key = split_entry(entry)
      if sort_key ~= last then
        last, held, runs = sort_key, 0, runs + 1
      end
      held = held + 1
      add(facet, sort_key, pk, 1)
    end
    local missing = range_size(facet.key, last, last .. HIGHEST) - held
    facet.counts[last] = facet.counts[last] + missing
    position = position + #entries + missing
    size = runs > size / 2 and math.min(size * 2, CHUNK) or 16
  end
end

local facets = {}
for i = 1, attributes do
  facets[i] = new_facet(tonumber(ARGV[1 + i]))
end
if #conjuncts(node) == 0 then
  matches = total - expired_count
  for _, facet in ipairs(facets) do
    count_runs(facet)
  end
  for from = 0, expired_count - 1, CHUNK do
    local to = math.min(from + CHUNK, expired_count) - 1
    local expired = redis.call('ZRANGE', KEYS[2], from, to)
    for _, facet in ipairs(facets) do
      add_all(facet, expired, -1)
    end
  end
else
  each_match(node, function(ids)
    ids = keep_alive(ids)
    matches = matches + #ids
    for _, facet in ipairs(facets) do
      add_all(facet, ids, 1)
    end
  end)
end

-- Return an object of each value, or of the lowest and the highest if they are many.
local function objects_of(facet, keys)
  local objects = {}
  for i = 1, #keys do
    objects[i] = false
  end
  local places, lowest, highest = {}, 1, 1
  for i, sort_key in ipairs(keys) do
    places[i] = i
    lowest = is_before(sort_key, keys[lowest]) and i or lowest
    highest = is_before(keys[highest], sort_key) and i or highest
  end
  if #keys > CHUNK then
    places = {lowest, highest}
  end
  local names = {}
  for i, place in ipairs(places) do
    names[i] = base .. 'o:' .. facet.holders[keys[place]]
  end
  local is_complete = true
  for i, packed in ipairs(redis.call('MGET', unpack(names))) do
    objects[places[i]] = packed
    is_complete = is_complete and packed
  end
  if not is_complete then
    require_all_here(base)
  end
  return objects
end

local reply = {matches}
for _, facet in ipairs(facets) do
  local keys, counts = {}, {}
  for sort_key, count in pairs(facet.counts) do
    if count > 0 then
      keys[#keys + 1], counts[#counts + 1] = sort_key, count
    end
  end
  reply[#reply + 1], reply[#reply + 2] = keys, counts
  reply[#reply + 1] = wants_objects and #keys > 0 and objects_of(facet, keys) or {}
end
return reply
