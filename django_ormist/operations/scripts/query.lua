-- One page of the objects that meet a condition, in an order.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. as the conditions and the
--          orders number them: of a term its sorted set, of an ordered attribute the
--          entries (sorted set) and the sort keys (hash)
-- ARGV     1.. as orders.lua, then as conditions.lua; the last three are how many live
--          matches to pass over, the size of the page, and "ids", "objects", "counters"
--          or "explain"
-- RETURNS  {ids, objects, counters}: the last two only when asked for; counters
--          are flat lists of names and values. What is due or gone is left out,
--          and the page filled with what comes after it. explain: a flat list of what
--          was done, its key or its kind, its size; and how many ids were looked at. Of
--          a page of none, what a list looks at
-- COST     the least by estimate of: walking the order's index until the page is full,
--          1 us an id; or looking at all that the cheapest condition needs, 2 us an id
-- DERIVED  the objects and counters of the page

-- INCLUDE conditions
-- INCLUDE matching
-- INCLUDE orders
local skip, need = tonumber(ARGV[#ARGV - 2]), tonumber(ARGV[#ARGV - 1])
local want = ARGV[#ARGV]

-- INCLUDE fill_page

local function is_full()
  return #page >= need
end

-- A function that undoes what was put on the page since.
local function mark()
  local size, rest = #page, skip
  return function()
    for i = #page, size + 1, -1 do
      page[i], objects[i], counters[i] = nil, nil, nil
    end
    skip = rest
  end
end

local SHORTEST_WALK = 20
local LONGEST_WALK = 1000

local told = {}

-- For explain(): what is done with which sorted set.
local function tell(how, node)
  if want == 'explain' then
    local name = node.key or (node == everything and KEYS[1]) or node.kind
    for _, fact in ipairs({how, name, node.size}) do
      told[#told + 1] = fact
    end
  end
end

-- Look at every match, and sort them.
local function sort_all(node, at)
  tell('sort', source(node))
  fill(sorted(gathered(node), at, skip + need - #page))
end

-- The smallest condition of those that must be met whose ids stand by creation.
local function smallest_by_creation(node)
  local smallest = everything
  for _, kid in ipairs(conjuncts(node)) do
    if (kid.kind == 'T' or kid.is_single) and kid.cost <= smallest.cost then
      smallest = kid
    end
  end
  return smallest
end

-- Let the server intersect several terms, and look at those that meet. By creation.
local function meet(node)
  local met, rest, key = intersected(node)
  if not met then
    return false
  end
  tell('intersect', {key = key, size = #met})
  chunked(created_down and turned(met) or met, function(_, ids)
    fill(living(meets(rest, ids)))
    return is_full()
  end)
  return true
end

-- How many ids must probably be looked at in an index until the page is full.
local function steps(node, index)
  local matches = math.max(node.share * total, 0.01)
  return (skip + need - #page) * math.max(index.size, 1) / matches
end

-- Whether an index holds the matches and no other id.
local function is_alone(node, index)
  return node == index or #conjuncts(node) == 0
end

-- Walk what stands by creation until the page is full.
local function walk_created(node, index, budget)
  tell('walk', index)
  local position, walked, met = 0, 0, 0
  if due == 0 and is_alone(node, index) then
    position = math.min(skip, index.size)
    skip = skip - position
  end
  while position < index.size and met < (node.most or total) and not is_full() do
    if walked >= budget then
      return false
    end
    local size = math.min(math.max(skip + need - #page, walked, 20), CHUNK)
    local ids = stretch_of_ids(index, position, size, created_down)
    if #ids == 0 then
      break
    end
    position, walked = position + #ids, walked + #ids
    local found = meets(node, ids, index)
    met = met + #found
    fill(living(found))
  end
  return true
end

-- The page by creation alone.
local function by_created(node)
  local from, index = source(node), smallest_by_creation(node)
  local undo, budget = mark(), math.huge
  if from ~= index then
    if from.cost < steps(node, index) then
      return sort_all(node, #orders + 1)
    end
    budget = math.max(SHORTEST_WALK, from.cost / 2)
  elseif index.kind == 'T' and #conjuncts(node) > 1 then
    budget = LONGEST_WALK
  end
  if walk_created(node, index, budget) then
    return
  end
  undo()
  if not meet(node) then
    if from == index then
      walk_created(node, index, math.huge)
    else
      sort_all(node, #orders + 1)
    end
  end
end

-- What has a fact that is ordered by: all of it, or the part that a condition wants.
local function index_of(node, order)
  if order.kind == 'e' then
    local size = redis.call('ZCARD', KEYS[2]) - due
    local index = leaf('T', KEYS[2], size)
    index.first = due
    return index
  end
  for _, kid in ipairs(conjuncts(node)) do
    if kid.kind == 'R' and kid.key == order.key then
      return kid, true
    end
  end
  return range(order.key, order.sort_keys, '', HIGHEST)
end

-- Those that have one fact: a run of equal ones in the index of an order.
local function run_of(order, fact)
  if order.kind == 'a' then
    return equal(order.key, order.sort_keys, fact)
  end
  local size = redis.call('ZCOUNT', KEYS[2], fact, fact)
  local run = leaf('D', nil, size)
  run.score = fact
  return run
end

-- A stretch of an order's index: ids, and {id: fact}.
local function read_facts(order, index, position, size)
  local ids, facts = stretch(index, position, size, order.is_down), {}
  if order.kind == 'e' then
    for i, score in ipairs(asked('ZMSCORE', KEYS[2], ids)) do
      facts[ids[i]] = score
    end
  else
    for i, entry in ipairs(ids) do
      local pk, sort_key = split(entry)
      ids[i], facts[pk] = pk, sort_key
    end
  end
  return ids, facts
end

-- Put what matches of whole runs on the page, each run by the orders from at on.
local function fill_runs(found, facts, at)
  local from = 1
  while from <= #found and not is_full() do
    local till = from
    while found[till + 1] and facts[found[till + 1]] == facts[found[from]] do
      till = till + 1
    end
    fill(sorted({unpack(found, from, till)}, at, skip + need - #page))
    from = till + 1
  end
end

-- Where what is due stands in the index of an order, in its direction.
local function due_places(order, index)
  local ids = redis.call('ZRANGE', KEYS[2], 0, due - 1)
  local sort_keys, created = facts_of(order, ids), asked('ZMSCORE', KEYS[1], ids)
  local first, places = rank_of(order.key, index.low), {}
  for i, pk in ipairs(ids) do
    local rank = sort_keys[i] and created[i]
      and redis.call('ZRANK', order.key, entry(sort_keys[i], created[i], pk))
    local place = rank and rank - first
    if place and place >= 0 and place < index.size then
      places[#places + 1] = order.is_down and index.size - 1 - place or place
    end
  end
  table.sort(places)
  return places
end

-- Whether a walk may begin past what is passed over: nothing else must be probed.
local function can_jump(node, order, index)
  return skip > 0 and due <= CHUNK and order.kind == 'a' and is_alone(node, index)
end

-- The place of the first run that is not passed over whole; what to skip is less then.
local function jump(order, index)
  local places, position = due > 0 and due_places(order, index) or {}, skip
  for _, place in ipairs(places) do
    position = place <= position and position + 1 or position
  end
  position = math.min(position, index.size)
  local at_place = stretch(index, position, 1, order.is_down)[1]
  if at_place then
    local _, sort_key = split(at_place)
    if order.is_down then
      position = between(order.key, sort_key .. HIGHEST, index.high)
    else
      position = between(order.key, index.low, sort_key)
    end
  end
  skip = skip - position
  for _, place in ipairs(places) do
    skip = place < position and skip + 1 or skip
  end
  return position
end

-- Ids drawn from all over a large source until the page is full.
local function draw(node, at)
  local from = source(node)
  local tries = steps(node, from)
  if not (from.kind == 'T' or from.kind == 'R' or from == everything)
    or from.cost < LONGEST_WALK or from.cost < 8 * tries then
    return sort_all(node, at)
  end
  tell('draw', from)
  local seen, undo = {}, mark()
  for _ = 1, 4 * tries + SHORTEST_WALK do
    local place = math.random(from.size) - 1
    if is_full() then
      return
    elseif not seen[place] then
      seen[place] = true
      fill(living(meets(node, stretch_of_ids(from, place, 1, false), from)))
    end
  end
  if not is_full() then
    undo()
    sort_all(node, at)
  end
end

local ask

-- Walk the index of an order until the page is full: run by run, as equal ones are in
-- an order of their own. A run too long to be sorted is asked by itself.
local function walk(node, at, index, budget)
  local order, position, walked = orders[at], 0, 0
  local is_straight = order.kind == 'a' and not orders[at + 1]
    and order.is_down == created_down
  tell('walk', index)
  if can_jump(node, order, index) then
    position = jump(order, index)
  end
  while position < index.size and not is_full() do
    if walked >= budget then
      return false
    end
    local size = math.min(math.max(skip + need - #page, walked, 20), CHUNK)
    local ids, facts = read_facts(order, index, position, size)
    if #ids == 0 then
      break
    end
    position, walked, looked = position + #ids, walked + #ids, looked + #ids
    local run
    if not is_straight and position < index.size then
      local last, held = facts[ids[#ids]], 0
      run = run_of(order, last)
      while held < #ids and facts[ids[#ids - held]] == last do
        held = held + 1
      end
      local missing = run.size - held
      if run.size > CHUNK then
        ids = {unpack(ids, 1, #ids - held)}
      else
        local more, their = read_facts(order, index, position, missing)
        for _, pk in ipairs(more) do
          ids[#ids + 1], facts[pk] = pk, their[pk]
        end
        run = nil
      end
      position = position + missing
    end
    local found = living(meets(node, ids, index))
    if is_straight then
      fill(found)
    else
      fill_runs(found, facts, at + 1)
    end
    if run and not is_full() then
      local before = looked
      ask(both(run, node), at + 1)
      walked = walked + looked - before
    end
  end
  return true
end

-- Those without the fact that is ordered by: last, or first of a list turned round.
local function fill_without(node, at, index)
  if index.size < total - (orders[at].kind == 'e' and due or 0) and not is_full() then
    local rest = both(opposite(index), node)
    rest.most = total - index.size
    ask(rest, at + 1)
  end
end

-- Fill the page with what meets a condition, by the orders from orders[at] on.
function ask(node, at)
  local order = orders[at]
  if not order then
    return by_created(node)
  elseif order.kind == '?' then
    return draw(node, at)
  end
  local from = source(node)
  local index, is_required = index_of(node, order)
  if from.cost < steps(node, index) and not can_jump(node, order, index) then
    return sort_all(node, at)
  end
  local undo = mark()
  if is_reversed and not is_required then
    fill_without(node, at, index)
  end
  if not walk(node, at, index, math.max(SHORTEST_WALK, from.cost / 2)) then
    undo()
    return sort_all(node, at)
  end
  if not is_reversed and not is_required then
    fill_without(node, at, index)
  end
end

local asked_for = condition(condition_at)
if need > 0 then
  ask(asked_for, 1)
elseif want == 'explain' then
  tell('list', source(asked_for))
end
if want == 'explain' then
  for _, node in ipairs(whole) do
    tell('read', node)
  end
  return {told, looked}
elseif want == 'ids' then
  return {page}
elseif want == 'objects' then
  return {page, objects}
end
return {page, objects, counters}
