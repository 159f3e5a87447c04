-- Count the live objects that meet a condition, by value of ordered attributes.
--
-- KEYS     as query.lua
-- ARGV     1 number of attributes, then of each the number of its key; then "1" to get
--          an object of each value; then a condition, as conditions.lua; then as steps.lua
-- RETURNS  {cursor, number of matches, then of each attribute a list of sort keys in no
--          order, one of counts, one of objects (false: gone, or not requested)}; of more
--          than 1000 values only those of the lowest and the highest have an object. In
--          steps: numbers to add, and in place of an object the id of one
-- COST     of all objects, 2 us a value of few values, 0.5 us an object of many; of some
--          1 us an id of the smallest condition and 0.3 us each attribute. At most as
--          steps.lua
-- DERIVED  the objects

-- INCLUDE conditions
-- INCLUDE matching
-- INCLUDE steps

local attributes, following = tonumber(ARGV[1]), tonumber(ARGV[1]) + 2
local wants_objects = ARGV[following] == '1'
local at_condition = following + 1
local is_of_runs = string.sub(cursor, 1, 6) == '4:runs'
local node = (is_first or is_of_runs) and condition(at_condition) or nil
local matches = 0

-- Return a table of counts by sort key, and of one id for each.
local function new_facet(place)
  return {key = KEYS[place], sort_keys = KEYS[place + 1], counts = {}, holders = {}}
end

local function add(facet, sort_key, pk, count)
  facet.counts[sort_key] = (facet.counts[sort_key] or 0) + count
  facet.holders[sort_key] = pk
end

local function add_all(facet, ids, sign, is_counted)
  for i, sort_key in ipairs(call_chunked('HMGET', facet.sort_keys, ids)) do
    if sort_key and (not is_counted or is_counted(sort_key)) then
      add(facet, sort_key, sign > 0 and ids[i] or facet.holders[sort_key], sign)
    end
  end
end

-- Count objects along the index, and skip runs of equal values by their size. Begin after a
-- value, and end after `longest` looks. Return the last counted value, nil at the end.
local function count_runs(facet, after, longest)
  local index = range(facet.key, facet.sort_keys, '', HIGHEST)
  local position, size, first_look = 0, 16, looks
  if after ~= '' then
    position = rank_of(facet.key, after .. HIGHEST)
  end
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
    if looks - first_look >= longest and position < index.size then
      return last
    end
  end
end

-- Subtract the expired objects from the counts. is_counted: of values, by default all.
local function subtract_expired(facet, is_counted)
  for from = 0, expired_count - 1, CHUNK do
    local to = math.min(from + CHUNK, expired_count) - 1
    spend(to + 1 - from)
    add_all(facet, redis.call('ZRANGE', KEYS[2], from, to), -1, is_counted)
  end
end

local facets = {}
-- Begin to count again.
local function reset()
  matches = 0
  for i = 1, attributes do
    facets[i] = new_facet(tonumber(ARGV[1 + i]))
  end
end

local function count_ids(ids)
  matches = matches + #ids
  for _, facet in ipairs(facets) do
    add_all(facet, ids, 1)
  end
end

local function count_all()
  if #conjuncts(node) > 0 then
    return each_match(node, function(ids)
      count_ids(keep_alive(ids))
    end)
  end
  matches = total - expired_count
  for _, facet in ipairs(facets) do
    count_runs(facet, '', math.huge)
    subtract_expired(facet)
  end
end

-- Return the cursor of the first step: of runs, if nearly nothing is expired.
local function begin()
  if #conjuncts(node) == 0 and attributes > 0 and 4 * expired_count <= most then
    return join({'runs', '1', ''})
  end
  return first_cursor(choose_plan(node, 1 + attributes))
end

-- Count the next values of one attribute of all objects. Return the cursor of the next step.
local function step_runs()
  local _, number, after = unpack(split(cursor))
  number = tonumber(number)
  local facet = facets[number]
  if number == 1 and after == '' then
    matches = total - expired_count
  end
  local last = count_runs(facet, after, math.min(most, STEP))
  subtract_expired(facet, function(sort_key)
    return (after == '' or is_before(after, sort_key))
      and (not last or not is_before(last, sort_key))
  end)
  if last then
    return join({'runs', digits(number), last})
  end
  return number < attributes and join({'runs', digits(number + 1), ''}) or ''
end

reset()
local next_cursor = ''
if is_first and not is_answered_by(node, count_all) then
  reset()
  next_cursor = begin()
elseif is_of_runs then
  next_cursor = step_runs()
elseif not is_first then
  next_cursor = take_step(at_condition, 1 + attributes, count_ids)
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

local reply = {next_cursor, matches}
for _, facet in ipairs(facets) do
  local keys, counts = {}, {}
  for sort_key, count in pairs(facet.counts) do
    if count > 0 then
      keys[#keys + 1], counts[#counts + 1] = sort_key, count
    end
  end
  local objects = {}
  if wants_objects and not is_first then
    for i, sort_key in ipairs(keys) do
      objects[i] = facet.holders[sort_key]
    end
  elseif wants_objects and #keys > 0 then
    objects = objects_of(facet, keys)
  end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = keys, counts, objects
end
return reply
