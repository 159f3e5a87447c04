-- Find the ids that meet a condition, among some ids or all.
--
-- KEYS     as conditions.lua
-- ARGV     as conditions.lua
-- RETURNS  nothing
-- COST     each condition is checked id by id until that costs as much as to read all its
--          matches, then read once: at most twice the sum of the sizes, 0.2 to 0.5 us an id
-- DERIVED  none here: base is for the scripts that include this
--
-- A node gets two more facts: examined, how many ids it was checked for, times its leaves;
-- and known, {id: true} of its matches, once they were read.

-- How many ids were read from indexes, and which nodes were read completely; for explain().
local examined, read_nodes = 0, {}

-- How often an id was looked at, and how often it may be.
local looks, most_looks = 0, math.huge

-- The largest cost of a condition that is read completely. A step does not read more for the
-- few ids that it checks.
local most_read = math.huge

local TOO_LONG = 'TOO_LONG'

-- Add to the looks. Raise TOO_LONG if they are too many.
local function spend(number)
  looks = looks + number
  if looks > most_looks then
    error(TOO_LONG, 0)
  end
end

-- Call a function. Return whether it ended within a number of looks.
local function ends_within(most, work)
  looks, most_looks = 0, most
  local is_done, failure = pcall(work)
  most_looks = math.huge
  if not is_done and failure ~= TOO_LONG then
    error(failure, 0)
  end
  return is_done
end

-- Call `visit` with the position of each chunk of a list and the chunk, until it is true.
local function each_chunk(list, visit)
  for from = 1, #list, CHUNK do
    if visit(from, {unpack(list, from, math.min(from + CHUNK - 1, #list))}) then
      return true
    end
  end
end

-- Return the reply of a command for each id, in chunks. false: it has no value.
local function call_chunked(command, key, ids)
  spend(#ids + 2)
  if #ids <= CHUNK then
    return #ids > 0 and redis.call(command, key, unpack(ids)) or {}
  end
  local all = {}
  each_chunk(ids, function(from, some)
    for i, reply in ipairs(redis.call(command, key, unpack(some))) do
      all[from + i - 1] = reply
    end
  end)
  return all
end

-- Return the ids whose fact passes, in order.
local function keep_if(ids, facts, passes)
  local kept = {}
  for i = 1, #ids do
    if passes(facts[i]) then
      kept[#kept + 1] = ids[i]
    end
  end
  return kept
end

local function is_there(fact)
  return fact
end

-- Return the ids that are in a table, or with `is_out` those that are not.
local function keep_known(ids, known, is_out)
  local kept = {}
  for i = 1, #ids do
    if (not known[ids[i]]) == (is_out or false) then
      kept[#kept + 1] = ids[i]
    end
  end
  return kept
end

local function to_set(ids)
  local set = {}
  for i = 1, #ids do
    set[ids[i]] = true
  end
  return set
end

local filter, filter_by_lookup, read

-- Return what is_in_range() compares first of each sort key. false: it has none.
local function prefixes_of(sort_keys)
  local firsts = {}
  for i = 1, #sort_keys do
    firsts[i] = sort_keys[i] and prefix_number(sort_keys[i], 1)
  end
  return firsts
end

-- Whether a range has a sort key. first: its prefix.
local function is_in_range(node, sort_key, first)
  return first
    and (first > node.from or first == node.from and not is_before(sort_key, node.low))
    and (first < node.to or first == node.to and is_before(sort_key, node.high))
end

-- Note that ids are checked. Return the matches of the condition, {id: true}, if it costs less
-- to read them than all these checks.
local function read_if_cheaper(node, number)
  node.examined = (node.examined or 0) + number * node.leaves
  if not node.known and node.examined > node.cost and node.cost <= most_read then
    read(node)
  end
  return node.known
end

-- Return how many of the children each id meets, {id: number}. 'O': only whether. The sort
-- keys of an attribute are read once for all ranges of it. Of many small children that are
-- read, only the few matches are visited, and not each id for each child.
local function count_met(node, ids)
  local met, rest, facts, prefixes = {}, ids, {}, {}
  for _, child in ipairs(node.children) do
    if child.kind == 'R' and not child.known then
      local sort_keys = facts[child.key] or call_chunked('HMGET', child.sort_keys, ids)
      local firsts = prefixes[child.key] or prefixes_of(sort_keys)
      facts[child.key], prefixes[child.key] = sort_keys, firsts
      spend(#ids / 8)
      for i, pk in ipairs(ids) do
        if is_in_range(child, sort_keys[i], firsts[i]) then
          met[pk] = (met[pk] or 0) + 1
        end
      end
    else
      local is_small = not child.children and child ~= everything and child.cost < #ids
      local known = is_small and read_if_cheaper(child, #ids)
      if known then
        for pk in pairs(known) do
          met[pk] = (met[pk] or 0) + 1
        end
      else
        rest = node.kind == 'O' and keep_known(rest, met, true) or ids
        local kept = (is_small and filter_by_lookup or filter)(child, rest)
        for _, pk in ipairs(kept) do
          met[pk] = (met[pk] or 0) + 1
        end
      end
    end
  end
  return met
end

-- As filter(), by looking up each id in the indexes.
function filter_by_lookup(node, ids, given)
  if node.kind == 'T' then
    return keep_if(ids, call_chunked('ZMSCORE', node.key, ids), is_there)
  elseif node.kind == 'P' then
    return keep_if(ids, call_chunked('ZMSCORE', node.key, ids), function(score)
      score = tonumber(score or nil)
      return score and score >= node.low and score <= node.high
    end)
  elseif node.kind == 'R' then
    return keep_if(ids, call_chunked('HMGET', node.sort_keys, ids), function(sort_key)
      return is_in_range(node, sort_key, sort_key and prefix_number(sort_key, 1))
    end)
  elseif node.kind == 'A' then
    for _, child in ipairs(node.children) do
      ids = filter(child, ids, given)
    end
    return ids
  end
  local met, is_odd = count_met(node, ids), node.kind == 'X'
  return keep_if(ids, ids, function(pk)
    return met[pk] and (not is_odd or met[pk] % 2 == 1)
  end)
end

-- Return the ids that meet a condition, in their order. `given`: a condition that all of
-- them are known to meet.
function filter(node, ids, given)
  if #ids == 0 or node == given or node == everything then
    return ids
  elseif node.kind == 'N' then
    local child = node.children[1]
    local met = filter(child, ids)
    return keep_known(ids, child.known or to_set(met), true)
  elseif node.kind == 'A' and given then
    return filter_by_lookup(node, ids, given)
  end
  local known = read_if_cheaper(node, #ids)
  return known and keep_known(ids, known) or filter_by_lookup(node, ids)
end

-- Return the ids that are not expired.
local function keep_alive(ids)
  if expired_count == 0 or #ids == 0 then
    return ids
  end
  return keep_if(ids, call_chunked('ZMSCORE', KEYS[2], ids), function(score)
    return not score or tonumber(score) > now
  end)
end

-- Return the cheapest condition that every match is known to meet.
local function source(node)
  return node.kind == 'N' and everything or node.smallest or node
end

-- The looks of one step.
local STEP = 5000

-- Return how many looks a query may take at once: those of a step, or more for one whose
-- conditions hold few ids. A try that fails must not cost more than the rest.
local function looks_at_once(root, most)
  local held = source(root).cost
  for _, size in ipairs(sizes) do
    held = held + size
  end
  local enough = 2.5 * held + 4 * #sizes  -- two calls for each condition
  return math.min(most, held <= 0.35 * most and math.max(STEP, enough) or STEP)
end

-- Return members of a source that is a sorted set, from a position. It does not use the
-- size, which a step does not know.
local function slice_by_value(node, from, count)
  local command, low, high = 'ZRANGEBYSCORE', '-inf', '+inf'
  if node.kind == 'R' then
    command, low, high = 'ZRANGEBYLEX', '[' .. node.low, '(' .. node.high
  elseif node.kind == 'P' then
    low, high = digits(node.low), digits(node.high)
  end
  if window and has_times(node) then
    low = (node.low or -math.huge) > window.low and low or window.from
    high = (node.high or math.huge) < window.high and high or window.to
  end
  local ids = redis.call(command, node.key or KEYS[1], low, high, 'LIMIT', from, count)
  spend(#ids + 2)
  return ids
end

-- Return members of a source that is a sorted set, from a position in one direction. Those
-- of an ordered attribute are sorted by value, then by creation; others by creation.
local function index_slice(node, from, count, is_down)
  local key, first, size = node.key or KEYS[1], node.first or 0, node.size
  if known_sizes then
    return slice_by_value(node, from, count)
  elseif node.kind == 'R' then
    first = rank_of(key, node.low)
  end
  count = math.min(count, size - from)
  spend(math.max(count, 0))
  if count <= 0 then
    return {}
  elseif is_down then
    from = redis.call('ZCARD', key) - first - size + from
    return redis.call('ZREVRANGE', key, from, from + count - 1)
  end
  return redis.call('ZRANGE', key, first + from, first + from + count - 1)
end

-- The same, as ids of an ordered attribute, too.
local function id_slice(node, from, count, is_down)
  local ids = index_slice(node, from, count, is_down)
  if node.kind == 'R' then
    for i, entry in ipairs(ids) do
      ids[i] = split_entry(entry)
    end
  end
  examined = examined + #ids
  return ids
end

local each_of

-- Call `visit` with the ids that meet any of the children, until it returns true.
local function each_of_any(node, visit)
  local seen, batch = {}, {}
  for _, child in ipairs(node.children) do
    local is_done = each_of(child, function(ids)
      for _, pk in ipairs(keep_known(ids, seen, true)) do
        seen[pk] = true
        batch[#batch + 1] = pk
      end
      if #batch >= CHUNK then
        local full = batch
        batch = {}
        return visit(full)
      end
    end)
    if is_done then
      return true
    end
  end
  node.known = seen
  return #batch > 0 and visit(batch)
end

-- Call `visit` with each id of a source once, some 1000 at a time, until it returns true.
local function each(node, visit)
  if node.kind == 'I' then
    return each_chunk(node.ids, function(_, some)
      examined = examined + #some
      return visit(keep_if(some, call_chunked('ZMSCORE', KEYS[1], some), is_there))
    end)
  elseif node.kind == 'X' or node.kind == 'O' and node.known then
    local ids = {}
    for pk in pairs(read(node)) do
      ids[#ids + 1] = pk
    end
    return each_chunk(ids, function(_, some)
      return visit(some)
    end)
  elseif node.kind == 'O' then
    return each_of_any(node, visit)
  end
  local from = 0
  while true do
    local ids = id_slice(node, from, CHUNK, false)
    from = from + CHUNK
    if #ids > 0 and visit(ids) then
      return true
    elseif #ids < CHUNK then
      return
    end
  end
end

-- The same for the ids that meet a condition.
function each_of(node, visit)
  local from = source(node)
  if from == node then
    return each(node, visit)
  end
  return each(from, function(ids)
    return visit(filter(node, ids, from))
  end)
end

-- Read the matches of a condition that is not a negation: {id: true}.
function read(node)
  if node.known then
    return node.known
  end
  read_nodes[#read_nodes + 1] = node
  if node.kind == 'O' then
    each_of_any(node, function() end)
    return node.known
  end
  local found = {}
  if node.kind == 'X' then
    for _, child in ipairs(node.children) do
      each_of(child, function(ids)
        for _, pk in ipairs(ids) do
          found[pk] = not found[pk] or nil
        end
      end)
    end
  else
    each_of(node, function(ids)
      for _, pk in ipairs(ids) do
        found[pk] = true
      end
    end)
  end
  node.known = found
  return found
end

-- Add the looks of a command that intersects sets. The server does eight in the time of one.
local function spend_on_sets(smallest, sets)
  spend(math.floor(smallest * sets / 8))
end

-- Return the ids that the server finds in all required terms, by creation; the other
-- required conditions; and one of the keys. It examines an id in half of Lua's time.
-- nil for fewer than two terms.
local function intersect(node)
  local command, rest, smallest = {'ZINTER', 0}, {}, math.huge
  for _, child in ipairs(conjuncts(node)) do
    if child.kind == 'T' and #command < CHUNK then
      command[#command + 1] = child.key
      smallest = math.min(smallest, child.size)
    else
      rest[#rest + 1] = child
    end
  end
  local terms = #command - 2
  if terms < 2 then
    return nil
  end
  -- The default SUM would pass 2^53 with six terms and lose the order.
  command[2], command[terms + 3], command[terms + 4] = terms, 'AGGREGATE', 'MIN'
  spend_on_sets(smallest, terms + 2)  -- it may find them all, and stores them
  local ids = redis.call(unpack(command))
  spend(#ids)
  examined = examined + #ids
  return ids, all_of(rest), command[3]
end

-- Call `visit` with all ids that meet a condition, 1000 at a time. Return whether they are
-- in order of creation.
local function each_match(node, visit)
  local from = source(node)
  local ids, rest = nil, nil
  if from.kind == 'T' then
    ids, rest = intersect(node)
  end
  if ids then
    each_chunk(ids, function(_, some)
      visit(filter(rest, some))
    end)
    return true
  end
  each_of(node, visit)
  return from.kind == 'T' or from.is_single or from == everything
end

-- Return every live id that meets a condition, and whether they are in order of creation.
local function find_all(node)
  local found = {}
  local is_by_creation = each_match(node, function(ids)
    for _, pk in ipairs(keep_alive(ids)) do
      found[#found + 1] = pk
    end
  end)
  return found, is_by_creation
end
