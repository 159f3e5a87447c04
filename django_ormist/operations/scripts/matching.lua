-- Which ids meet a condition: among some ids, or all that do.
--
-- KEYS     as conditions.lua
-- ARGV     as conditions.lua
-- RETURNS  nothing
-- COST     each condition is asked of ids until that costs as much as to read who meets
--          it, then read once: at most twice the sum of the sizes, 0.2 to 0.5 us an id
-- DERIVED  none here: base is for the scripts that include this
--
-- A node gets two more facts: looked, how often it was asked of an id, times its leaves;
-- and known, {id: true} of those that meet it, once it was read.

-- How many ids were read from indexes, and which nodes were read whole; for explain().
local looked, whole = 0, {}

-- Call with chunks of a list, and where each begins, until it returns true.
local function chunked(list, visit)
  for from = 1, #list, CHUNK do
    if visit(from, {unpack(list, from, math.min(from + CHUNK - 1, #list))}) then
      return true
    end
  end
end

-- What the store says of each id: the replies of one command in chunks. false: nothing.
local function asked(command, key, ids)
  if #ids <= CHUNK then
    return #ids > 0 and redis.call(command, key, unpack(ids)) or {}
  end
  local all = {}
  chunked(ids, function(from, some)
    for i, reply in ipairs(redis.call(command, key, unpack(some))) do
      all[from + i - 1] = reply
    end
  end)
  return all
end

-- Those ids whose fact passes, in order.
local function chosen(ids, facts, passes)
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

-- Those ids that are in a table, or with `is_out` that are not.
local function picked(ids, known, is_out)
  local kept = {}
  for i = 1, #ids do
    if (not known[ids[i]]) == (is_out or false) then
      kept[#kept + 1] = ids[i]
    end
  end
  return kept
end

local function as_set(ids)
  local set = {}
  for i = 1, #ids do
    set[ids[i]] = true
  end
  return set
end

local meets, read

-- Of any or an odd number of conditions: how many of them each id meets, {id: number}.
local function tallied(node, ids)
  local met, rest = {}, ids
  for _, kid in ipairs(node.kids) do
    for _, pk in ipairs(meets(kid, rest)) do
      met[pk] = (met[pk] or 0) + 1
    end
    if node.kind == 'O' then
      rest = picked(rest, met, true)
    end
  end
  return met
end

local function is_in_range(node, sort_key)
  local first = sort_key and lead(sort_key, 1)
  return first
    and (first > node.from or first == node.from and not is_before(sort_key, node.low))
    and (first < node.till or first == node.till and is_before(sort_key, node.high))
end

-- As meets(), by asking the indexes of each id.
local function probed(node, ids, given)
  if node.kind == 'T' then
    return chosen(ids, asked('ZMSCORE', node.key, ids), is_there)
  elseif node.kind == 'D' then
    return chosen(ids, asked('ZMSCORE', KEYS[2], ids), function(score)
      return score == node.score
    end)
  elseif node.kind == 'R' then
    return chosen(ids, asked('HMGET', node.sort_keys, ids), function(sort_key)
      return is_in_range(node, sort_key)
    end)
  elseif node.kind == 'A' then
    for _, kid in ipairs(node.kids) do
      ids = meets(kid, ids, given)
    end
    return ids
  end
  local met, is_odd = tallied(node, ids), node.kind == 'X'
  return chosen(ids, ids, function(pk)
    return met[pk] and (not is_odd or met[pk] % 2 == 1)
  end)
end

-- Those of the ids that meet a condition, in their order. `given` is one of which it
-- is known that they do.
function meets(node, ids, given)
  if #ids == 0 or node == given or node == everything then
    return ids
  elseif node.kind == 'N' then
    local kid = node.kids[1]
    local met = meets(kid, ids)
    return picked(ids, kid.known or as_set(met), true)
  elseif node.kind == 'A' and given then
    return probed(node, ids, given)
  end
  node.looked = (node.looked or 0) + #ids * node.leaves
  if not node.known and node.looked > node.cost then
    read(node)
  end
  return node.known and picked(ids, node.known) or probed(node, ids)
end

-- The ids that are not due.
local function living(ids)
  if due == 0 or #ids == 0 then
    return ids
  end
  return chosen(ids, asked('ZMSCORE', KEYS[2], ids), function(score)
    return not score or tonumber(score) > now
  end)
end

-- The condition that costs least of those of which every match is known to be.
local function source(node)
  return node.kind == 'N' and everything or node.smallest or node
end

-- Ids of a source that stands in a sorted set, from a place on in one direction. An
-- ordered attribute's stand by value, then by creation; all others by creation.
local function stretch(node, from, count, is_down)
  local key, first, size = node.key or KEYS[1], node.first or 0, node.size
  if node.kind == 'R' then
    first = rank_of(key, node.low)
  end
  count = math.min(count, size - from)
  if count <= 0 then
    return {}
  elseif is_down then
    from = redis.call('ZCARD', key) - first - size + from
    return redis.call('ZREVRANGE', key, from, from + count - 1)
  end
  return redis.call('ZRANGE', key, first + from, first + from + count - 1)
end

-- The same where ids are wanted of an ordered attribute too.
local function stretch_of_ids(node, from, count, is_down)
  local ids = stretch(node, from, count, is_down)
  if node.kind == 'R' then
    for i, entry in ipairs(ids) do
      ids[i] = split(entry)
    end
  end
  looked = looked + #ids
  return ids
end

local each_of

-- Call with the ids that meet any of some conditions, until it returns true.
local function each_of_any(node, visit)
  local seen, batch = {}, {}
  for _, kid in ipairs(node.kids) do
    local is_done = each_of(kid, function(ids)
      for _, pk in ipairs(picked(ids, seen, true)) do
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

-- Call with the ids of a source, some 1000 at a time, each id once, until it returns true.
local function each(node, visit)
  if node.kind == 'I' then
    return chunked(node.ids, function(_, some)
      looked = looked + #some
      return visit(chosen(some, asked('ZMSCORE', KEYS[1], some), is_there))
    end)
  elseif node.kind == 'D' then
    return visit(redis.call('ZRANGEBYSCORE', KEYS[2], node.score, node.score))
  elseif node.kind == 'X' or node.kind == 'O' and node.known then
    local ids = {}
    for pk in pairs(read(node)) do
      ids[#ids + 1] = pk
    end
    return chunked(ids, function(_, some)
      return visit(some)
    end)
  elseif node.kind == 'O' then
    return each_of_any(node, visit)
  end
  for from = 0, node.size - 1, CHUNK do
    if visit(stretch_of_ids(node, from, CHUNK, false)) then
      return true
    end
  end
end

-- The same with the ids that meet a condition.
function each_of(node, visit)
  local from = source(node)
  return each(from, function(ids)
    return visit(meets(node, ids, from))
  end)
end

-- Read who meets a condition that is no negation: {id: true}.
function read(node)
  if node.known then
    return node.known
  end
  whole[#whole + 1] = node
  if node.kind == 'O' then
    each_of_any(node, function() end)
    return node.known
  end
  local found = {}
  if node.kind == 'X' then
    for _, kid in ipairs(node.kids) do
      each_of(kid, function(ids)
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

-- Of two terms or more that must be met, the ids that the server finds in all of them,
-- by creation; what they must meet beside; and one of the keys. It looks at an id in half
-- the time that we take. Else nil.
local function intersected(node)
  local command, rest = {'ZINTER', 0}, {}
  for _, kid in ipairs(conjuncts(node)) do
    if kid.kind == 'T' and #command < CHUNK then
      command[#command + 1] = kid.key
    else
      rest[#rest + 1] = kid
    end
  end
  local terms = #command - 2
  if terms < 2 then
    return nil
  end
  -- The default SUM would pass 2^53 with six terms and lose the order.
  command[2], command[terms + 3], command[terms + 4] = terms, 'AGGREGATE', 'MIN'
  local ids = redis.call(unpack(command))
  looked = looked + #ids
  return ids, all_of(rest), command[3]
end

-- Call with all ids that meet a condition, 1000 at a time: by creation, where that is
-- the answer.
local function each_match(node, visit)
  local from = source(node)
  local ids, rest = nil, nil
  if from.kind == 'T' then
    ids, rest = intersected(node)
  end
  if ids then
    chunked(ids, function(_, some)
      visit(meets(rest, some))
    end)
    return true
  end
  each_of(node, visit)
  return from.kind == 'T' or from.is_single or from == everything
end

-- Every live id that meets a condition, and whether they stand by creation.
local function gathered(node)
  local found = {}
  local is_by_creation = each_match(node, function(ids)
    for _, pk in ipairs(living(ids)) do
      found[#found + 1] = pk
    end
  end)
  return found, is_by_creation
end
