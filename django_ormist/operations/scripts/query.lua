-- Return one page of the objects that meet a condition, in an order.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. as the conditions and the
--          orders number them: of a term its sorted set, of an ordered attribute the
--          entries (sorted set) and the sort keys (hash)
-- ARGV     1.. as orders.lua, then as conditions.lua; the last four are how many live
--          matches to skip, the size of the page, "ids", "objects", "counters" or
--          "explain", and the most looks at ids
-- RETURNS  {ids, objects, counters}: the last two only on request; counters
--          are flat lists of names and values. Expired and missing objects are left out,
--          and the page is filled with the next ones. explain: a flat list of step,
--          key or kind, and size; then how many ids were examined, and about how many looks
--          steps take: 0 if it takes none. For a page of size 0, the plan of a
--          full list. {}: a page takes more looks; the client reads it in steps
-- COST     the lower estimate of: scanning the order's index until the page is full,
--          1 us an id; or reading all ids of the cheapest condition, 2 us an id. At most
--          0.5 us a look
-- DERIVED  the objects and counters of the page

local skip, need = tonumber(ARGV[#ARGV - 3]), tonumber(ARGV[#ARGV - 2])
local want, most = ARGV[#ARGV - 1], tonumber(ARGV[#ARGV])

-- Return the ids of the page from the index of an attribute, by which all objects are
-- ordered. nil: the page needs objects without the attribute, or more of equal ones.
local function ids_by_attribute()
  local is_reversed, is_descending = ARGV[1] == '1', ARGV[5] == '1'
  local range = is_reversed ~= is_descending and 'ZREVRANGE' or 'ZRANGE'
  -- The page with the entries before and after it.
  local before = math.min(skip, 1)
  local entries = redis.call(range, KEYS[3], skip - before, skip + need)
  local size = math.min(need, #entries - before)
  if (is_reversed or size < need)
    and redis.call('ZCARD', KEYS[3]) ~= redis.call('ZCARD', KEYS[1]) then
    return nil
  end
  local function are_equal(i)
    local _, one = split_entry(entries[i])
    local _, other = split_entry(entries[i + 1])
    return one == other
  end
  -- Equal ones are in the index in the opposite order.
  if is_descending and size > 0 and (before == 1 and are_equal(1)
    or entries[before + size + 1] and are_equal(before + size)) then
    return nil
  end
  local ids, sort_keys = {}, {}
  for i = 1, size do
    ids[i], sort_keys[i] = split_entry(entries[before + i])
  end
  local first = 1
  while is_descending and first < size do
    local last = first
    while last < size and sort_keys[last + 1] == sort_keys[first] do
      last = last + 1
    end
    for i = 0, math.floor((last - first - 1) / 2) do
      ids[first + i], ids[last - i] = ids[last - i], ids[first + i]
    end
    first = last + 1
  end
  return ids
end

-- The common page comes first: all objects by one attribute, none of them expired or
-- missing. The functions for others are not defined for it.
if #ARGV == 11 and ARGV[2] == '1' and ARGV[3] == 'a' and ARGV[6] == 'A'
  and need > 0 and need <= 1000 and (want == 'ids' or want == 'objects')
  and (redis.call('ZCARD', KEYS[2]) == 0
    or redis.call('ZCOUNT', KEYS[2], '-inf', (clock())) == 0) then
  local ids = ids_by_attribute()
  local reply = ids and complete_page(string.sub(KEYS[1], 1, -4), ids, want)
  if reply then
    return reply
  end
end

-- DEFINE digits require_all_here LAST_CREATED seven_bytes entry
-- INCLUDE conditions
-- INCLUDE matching
-- INCLUDE orders

-- INCLUDE fill_page

local function is_full()
  return #page >= need
end

-- Return a function that undoes later changes of the page.
local function mark()
  local size, rest = #page, skip
  return function()
    for i = #page, size + 1, -1 do
      page[i], objects[i], counters[i] = nil, nil, nil
    end
    skip = rest
  end
end

local SHORTEST_SCAN = 20
local LONGEST_SCAN = 1000

local plan = {}

-- Add a step and its sorted set to the plan, for explain().
local function report(how, node)
  if want == 'explain' then
    local name = node.key or (node == everything and KEYS[1]) or node.kind
    for _, fact in ipairs({how, name, node.size}) do
      plan[#plan + 1] = fact
    end
  end
end

-- Fill the page from all matches, sorted.
local function sort_all(node, at)
  report('sort', source(node))
  local ids = find_all(node)
  spend(#ids)
  fill_page(sort_ids(ids, at, skip + need - #page))
end

-- Return the smallest required condition whose ids are in order of creation.
local function smallest_by_creation(node)
  local smallest = everything
  for _, child in ipairs(conjuncts(node)) do
    if (child.kind == 'T' or child.is_single) and child.cost <= smallest.cost then
      smallest = child
    end
  end
  return smallest
end

-- Fill the page by creation from an intersection of terms by the server.
local function scan_intersection(node)
  local met, rest, key = intersect(node)
  if not met then
    return false
  end
  report('intersect', {key = key, size = #met})
  each_chunk(created_down and reverse(met) or met, function(_, ids)
    fill_page(keep_alive(filter(rest, ids)))
    return is_full()
  end)
  return true
end

-- Estimate how many ids of an index must be scanned to fill the page.
local function expected_scan(node, index)
  local matches = math.max(node.share * total, 0.01)
  return (skip + need - #page) * math.max(index.size, 1) / matches
end

-- Whether an index holds exactly the matches.
local function is_alone(node, index)
  return node == index or #conjuncts(node) == 0
end

-- Scan an index that is in order of creation until the page is full. Return false if
-- the budget is spent first.
local function scan_created(node, index, budget)
  report('scan', index)
  local position, scanned, met = 0, 0, 0
  if expired_count == 0 and is_alone(node, index) then
    position = math.min(skip, index.size)
    skip = skip - position
  end
  while position < index.size and met < (node.most or total) and not is_full() do
    if scanned >= budget then
      return false
    end
    local size = math.min(math.max(skip + need - #page, scanned, 20), CHUNK)
    local ids = id_slice(index, position, size, created_down)
    if #ids == 0 then
      break
    end
    position, scanned = position + #ids, scanned + #ids
    local found = filter(node, ids, index)
    met = met + #found
    fill_page(keep_alive(found))
  end
  return true
end

-- Fill the page in order of creation.
local function fill_by_created(node)
  local from, index = source(node), smallest_by_creation(node)
  local undo, budget = mark(), math.huge
  if from ~= index then
    if from.cost < expected_scan(node, index) then
      return sort_all(node, #orders + 1)
    end
    budget = math.max(SHORTEST_SCAN, from.cost / 2)
  elseif index.kind == 'T' and #conjuncts(node) > 1 then
    budget = LONGEST_SCAN
  end
  if scan_created(node, index, budget) then
    return
  end
  undo()
  if not scan_intersection(node) then
    if from == index then
      scan_created(node, index, math.huge)
    else
      sort_all(node, #orders + 1)
    end
  end
end

-- Return the index of an order, or the range of it that a condition requires, and
-- whether a condition does.
local function index_of(node, order)
  local key = order.kind == 'e' and KEYS[2] or order.key
  for _, child in ipairs(conjuncts(node)) do
    if (child.kind == 'R' or child.kind == 'P') and child.key == key then
      return child, true
    end
  end
  if order.kind == 'e' then
    return period(key, '0', digits(LAST_CREATED))
  end
  return range(key, order.sort_keys, '', HIGHEST)
end

-- Return the condition of having one fact: a run of equals in the index of an order.
local function run_of(order, fact)
  if order.kind == 'a' then
    return equal(order.key, order.sort_keys, fact)
  end
  return period(KEYS[2], fact, fact)
end

-- Return a slice of an order's index: ids, and {id: fact}.
local function read_facts(order, index, position, size)
  local ids, facts = index_slice(index, position, size, order.is_down), {}
  if order.kind == 'e' then
    for i, score in ipairs(call_chunked('ZMSCORE', KEYS[2], ids)) do
      facts[ids[i]] = score
    end
  else
    for i, entry in ipairs(ids) do
      local pk, sort_key = split_entry(entry)
      ids[i], facts[pk] = pk, sort_key
    end
  end
  return ids, facts
end

-- Fill the page from complete runs, each sorted by the orders from `at` on.
local function fill_runs(found, facts, at)
  local from = 1
  while from <= #found and not is_full() do
    local to = from
    while found[to + 1] and facts[found[to + 1]] == facts[found[from]] do
      to = to + 1
    end
    fill_page(sort_ids({unpack(found, from, to)}, at, skip + need - #page))
    from = to + 1
  end
end

-- Return the positions of expired ids in the index of an order, in its direction.
local function expired_places(order, index)
  spend(expired_count)
  local ids = redis.call('ZRANGE', KEYS[2], 0, expired_count - 1)
  local sort_keys, created = facts_of(order, ids), call_chunked('ZMSCORE', KEYS[1], ids)
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

-- Whether a scan may begin after the skipped ids: no other condition must be checked.
local function can_jump(node, order, index)
  return skip > 0 and expired_count <= CHUNK and order.kind == 'a' and is_alone(node, index)
end

-- Return the position of the first run that is not skipped completely. Lowers `skip`.
local function jump(order, index)
  local places, position = expired_count > 0 and expired_places(order, index) or {}, skip
  for _, place in ipairs(places) do
    position = place <= position and position + 1 or position
  end
  position = math.min(position, index.size)
  local at_place = index_slice(index, position, 1, order.is_down)[1]
  if at_place then
    local _, sort_key = split_entry(at_place)
    if order.is_down then
      position = range_size(order.key, sort_key .. HIGHEST, index.high)
    else
      position = range_size(order.key, index.low, sort_key)
    end
  end
  skip = skip - position
  for _, place in ipairs(places) do
    skip = place < position and skip + 1 or skip
  end
  return position
end

-- Fill the page from random positions of a large source.
local function sample(node, at)
  local from = source(node)
  local tries = expected_scan(node, from)
  if not (from.kind == 'T' or from.kind == 'R' or from.kind == 'P' or from == everything)
    or from.cost < LONGEST_SCAN or from.cost < 8 * tries then
    return sort_all(node, at)
  end
  report('sample', from)
  local seen, undo = {}, mark()
  for _ = 1, 4 * tries + SHORTEST_SCAN do
    local place = math.random(from.size) - 1
    if is_full() then
      return
    elseif not seen[place] then
      seen[place] = true
      fill_page(keep_alive(filter(node, id_slice(from, place, 1, false), from)))
    end
  end
  if not is_full() then
    undo()
    sort_all(node, at)
  end
end

local fill_by_orders

-- Scan the index of an order until the page is full: run by run, as equal ones are
-- sorted by the next orders. A run too long to be sorted is a query of its own.
local function scan_order(node, at, index, budget)
  local order, position, scanned = orders[at], 0, 0
  local is_straight = order.kind == 'a' and not orders[at + 1]
    and order.is_down == created_down
  report('scan', index)
  if can_jump(node, order, index) then
    position = jump(order, index)
  end
  while position < index.size and not is_full() do
    if scanned >= budget then
      return false
    end
    local size = math.min(math.max(skip + need - #page, scanned, 20), CHUNK)
    local ids, facts = read_facts(order, index, position, size)
    if #ids == 0 then
      break
    end
    position, scanned, examined = position + #ids, scanned + #ids, examined + #ids
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
    local found = keep_alive(filter(node, ids, index))
    if is_straight then
      fill_page(found)
    else
      fill_runs(found, facts, at + 1)
    end
    if run and not is_full() then
      local before = examined
      fill_by_orders(both(run, node), at + 1)
      scanned = scanned + examined - before
    end
  end
  return true
end

-- Fill the page with objects that lack the fact: last, or first of a reversed list.
local function fill_without(node, at, index)
  if index.size < total - (orders[at].kind == 'e' and expired_count or 0) and not is_full() then
    local rest = both(negate(index), node)
    rest.most = total - index.size
    fill_by_orders(rest, at + 1)
  end
end

-- Fill the page with the matches of a condition, by the orders from orders[at] on.
function fill_by_orders(node, at)
  local order = orders[at]
  if not order then
    return fill_by_created(node)
  elseif order.kind == '?' then
    return sample(node, at)
  end
  local from = source(node)
  local index, is_required = index_of(node, order)
  if from.cost < expected_scan(node, index) and not can_jump(node, order, index) then
    return sort_all(node, at)
  end
  local undo = mark()
  if is_reversed and not is_required then
    fill_without(node, at, index)
  end
  if not scan_order(node, at, index, math.max(SHORTEST_SCAN, from.cost / 2)) then
    undo()
    return sort_all(node, at)
  end
  if not is_reversed and not is_required then
    fill_without(node, at, index)
  end
end

local root, is_done = condition(condition_at), true
if need > 0 then
  is_done = ends_within(looks_at_once(root, most), function()
    fill_by_orders(root, 1)
  end)
elseif want == 'explain' then
  report('read', source(root))
end
if want == 'explain' then
  for _, node in ipairs(read_nodes) do
    report('load', node)
  end
  local least = source(root).cost * math.min(math.max(root.leaves, 1), 2)
  local looks, longest = math.max(root.cost, least), looks_at_once(root, most)
  if not is_done then
    looks = math.max(looks, longest)
  elseif need > 0 or looks <= longest then
    looks = 0
  end
  return {plan, examined, looks > 0 and looks + (2 + #orders) * root.size or 0}
elseif not is_done then
  return {}
elseif want == 'ids' then
  return {page}
elseif want == 'objects' then
  return {page, objects}
end
return {page, objects, counters}
