-- Return live ids that meet a condition, with the facts to sort them by.
--
-- KEYS     as query.lua
-- ARGV     as orders.lua, then as conditions.lua; then how many matches the caller needs in
--          order, 0 for all, -1 for all with their creation times; then as steps.lua
-- RETURNS  {cursor, "1" if the ids of all steps come in order, ids, facts...}: else of each
--          order its facts (a sort key, a deadline or a random number; false: none), then
--          the creation times, unless these are all ids and they are in that order
-- COST     1 us an id of the smallest condition, and 0.3 us a fact; at most as steps.lua
-- DERIVED  none

-- INCLUDE conditions
-- INCLUDE matching
-- INCLUDE orders
-- INCLUDE steps

local need = tonumber(ARGV[#ARGV - 2])

-- Return the reply for some ids, with their facts. Raise TOO_LONG before they are read.
local function reply_with(next_cursor, ids, is_by_creation)
  local with_times = not is_by_creation or need < 0
  if looks + (#orders + (with_times and 1 or 0)) * #ids > most_looks then
    error(TOO_LONG, 0)
  end
  local reply = {next_cursor, '', ids}
  for _, order in ipairs(orders) do
    reply[#reply + 1] = facts_of(order, ids)
  end
  if with_times then
    reply[#reply + 1] = call_chunked('ZMSCORE', KEYS[1], ids)
  end
  return reply
end

-- Return the leaf in the order of the query that a condition requires, nil without one.
local function leaf_in_order(root)
  local found = #orders == 0 and everything or nil
  for _, node in ipairs(conjuncts(root)) do
    local is_in_order
    if #orders == 0 then
      is_in_order = has_times(node)
    else
      is_in_order = node.kind == 'R' and node.key == orders[1].key
    end
    if is_in_order and (not found or node.size < found.size) then
      found = node
    end
  end
  return found
end

-- The looks that a match takes once it is found: at its facts, and into the reply.
local weight = 2 + #orders

-- Return the cursor of the first step: in the order of the query, if that is shorter.
local function begin(root)
  local plan, cost = choose_plan(root, weight)
  local order = orders[1]
  local is_straight = not order
    or not orders[2] and order.kind == 'a' and order.is_down == created_down
  local node = need > 0 and is_straight and leaf_in_order(root)
  if node then
    local matches = math.max(root.share * total, 0.01)
    local part = math.min(need / matches, 1)
    local full_cost = cost_of(root, node, {node}, true) + cost_of_matches(root, weight)
    if part * full_cost <= cost then
      return first_cursor(node.at and digits(node.at) or '', full_cost,
        created_down and '-' or '+')
    end
  end
  return first_cursor(plan, cost)
end

if is_first then
  local root = condition(condition_at)
  local reply
  local is_done = is_answered_by(root, function()
    local found, is_by_creation = find_all(root)
    spend(#found)
    reply = reply_with('', found, is_by_creation)
  end)
  return is_done and reply or {begin(root), '', {}}
end
local found, direction = {}, split(cursor)[2]
local next_cursor = take_step(condition_at, weight, function(ids)
  for _, pk in ipairs(ids) do
    found[#found + 1] = pk
  end
end)
if direction == '' then
  return reply_with(next_cursor, found, false)
end
return {next_cursor, '1', #orders == 0 and sort_by_creation(found) or found}
