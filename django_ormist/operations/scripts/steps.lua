-- Read the matches of a condition in steps, between which the server serves other clients.
--
-- KEYS     as conditions.lua
-- ARGV     the last two: the most looks at ids in a step; the cursor, of the reply before.
--          At first it is "", to try to answer in one step, or "+", for the first cursor
-- RETURNS  nothing
-- COST     a step: at most about twice as many looks, 0.5 us each
-- DERIVED  none
--
-- A plan names the leaves that together hold all matches, by their places in ARGV; "": all
-- objects. They form groups, each in one order: that of creation, of an attribute, of the
-- deadlines, or of given ids. The groups are read one after the other. An id is left out
-- where it is in an earlier group. A cursor names the plan, the direction, the group and the
-- last place in its order. It does not name a rank, so that an object which is not changed
-- is found once, whatever is written between the steps.

local most, cursor = tonumber(ARGV[#ARGV - 1]), ARGV[#ARGV]

-- Whether a function that answers the whole query ended within the looks.
local function is_answered_by(work)
  return cursor == '' and ends_within(most, work)
end

-- The least looks of a step for each leaf, so that reading the leaves is a small part.
local LOOKS_PER_LEAF = 50

-- Whether this call begins the query.
local is_first = cursor == '' or cursor == '+'

-- Return words as one text, each after its length.
local function join(words)
  local parts = {}
  for i, word in ipairs(words) do
    parts[i] = #word .. ':' .. word
  end
  return table.concat(parts)
end

-- Return the words of such a text.
local function split(text)
  local words, at = {}, 1
  while at <= #text do
    local colon = string.find(text, ':', at, true)
    local size = tonumber(string.sub(text, at, colon - 1))
    words[#words + 1] = string.sub(text, colon + 1, colon + size)
    at = colon + size + 1
  end
  return words
end

-- Whether a leaf is in order of creation, so that a window of time can cut it.
local function has_times(node)
  return node.kind == 'T' or node == everything or node.kind == 'P' and node.key == KEYS[1]
end

-- Whether all leaves of a condition are.
local function is_timed(node)
  for _, child in ipairs(node.children or {}) do
    if not is_timed(child) then
      return false
    end
  end
  return node.children ~= nil or has_times(node)
end

-- Add the leaves that hold all matches of a condition. Return them, and whether they hold
-- nothing else.
local function add_leaves(node, leaves)
  if node == everything or not node.children then
    leaves[#leaves + 1] = node
    return leaves, true
  elseif node.kind == 'A' then
    add_leaves(node.smallest, leaves)
    return leaves, false
  end
  local is_exact = node.kind == 'O'
  for _, child in ipairs(node.children) do
    local _, is_child_exact = add_leaves(child, leaves)
    is_exact = is_exact and is_child_exact
  end
  return leaves, is_exact
end

-- Return the plan of these leaves.
local function plan_of(leaves)
  local places = {}
  for _, node in ipairs(leaves) do
    places[#places + 1] = node.at
  end
  table.sort(places)
  return table.concat(places, ',')
end

-- Return how many looks it takes to read these leaves and to check the other conditions.
local function cost_of(root, from, leaves, is_exact)
  local size, are_timed = 0, true
  for _, node in ipairs(leaves) do
    size = size + node.size
    are_timed = are_timed and has_times(node)
  end
  local cost = size
  for _, other in ipairs(conjuncts(root)) do
    if other ~= from or not is_exact then
      local plain = other.kind == 'N' and other.children[1] or other
      local reading = are_timed and is_timed(plain) and plain.cost or math.huge
      cost = cost + math.min(reading, size * plain.leaves)
    end
  end
  return cost
end

-- Conditions that are compared for a plan: each takes a look at all others.
local MOST_COMPARED = 16

-- Return the cheapest plan, and its cost.
local function choose_plan(root)
  local candidates = {}
  for _, node in ipairs(conjuncts(root)) do
    if node.kind ~= 'N' then
      candidates[#candidates + 1] = node
    end
  end
  if #candidates > MOST_COMPARED then
    table.sort(candidates, function(a, b) return a.cost < b.cost end)
  end
  local best, least = '', cost_of(root, everything, {everything}, true)
  for i = 1, math.min(#candidates, MOST_COMPARED) do
    local leaves, is_exact = add_leaves(candidates[i], {})
    local cost = cost_of(root, candidates[i], leaves, is_exact)
    if cost < least then
      best, least = plan_of(leaves), cost
    end
  end
  return best, least
end

-- Return the cursor of the first step. direction: "+" or "-" for one in which the matches
-- come in order, else "".
local function first_cursor(plan, direction)
  return join({plan, direction, '1', '', ''})
end

-- Return the groups of a plan. That of creation comes last.
local function group_leaves(plan)
  local groups, by_name, timed = {}, {}, {name = KEYS[1]}
  for at in string.gmatch(plan, '%d+') do
    local node = leaves_at[tonumber(at)]
    local name = node.kind == 'I' and 'I' or node.key
    local group = has_times(node) and timed or by_name[name]
    if not group then
      group = {name = name}
      by_name[name], groups[#groups + 1] = group, group
    end
    group[#group + 1] = node
  end
  if plan == '' then
    timed[1] = everything
  end
  groups[#groups + 1] = #timed > 0 and timed or nil
  return groups
end

-- Return the ids that are not in a group, which is not that of creation.
local function leave_out(group, ids)
  local kind, facts = group[1].kind, ids
  if kind == 'R' then
    facts = call_chunked('HMGET', group[1].sort_keys, ids)
  elseif kind == 'P' then
    facts = call_chunked('ZMSCORE', group[1].key, ids)
  end
  return keep_if(ids, facts, function(fact)
    for _, node in ipairs(group) do
      local score = kind == 'P' and tonumber(fact or nil)
      if kind == 'I' and node.known[fact] or kind == 'R' and is_in_range(node, fact)
        or score and score >= node.low and score <= node.high then
        return false
      end
    end
    return true
  end)
end

-- Return how many ids of a group may be read in a step: each is looked up in the others.
local function step_size(root, weight)
  return math.max(math.floor(most / (weight + root.leaves)), 1)
end

-- Return the ranks of the parts of a group, [{first, last + 1}] in order and disjoint.
local function spans_of(group)
  local spans = {}
  for i, node in ipairs(group) do
    local first = node.kind == 'R' and rank_of(node.key, node.low) or node.first
    spans[i] = {first, first + node.size}
  end
  table.sort(spans, function(a, b) return a[1] < b[1] end)
  local joined = {}
  for _, span in ipairs(spans) do
    local last = joined[#joined]
    if last and span[1] <= last[2] then
      last[2] = math.max(last[2], span[2])
    else
      joined[#joined + 1] = span
    end
  end
  return joined
end

-- Read the next ids of an ordered attribute or of the deadlines. Return them, the last
-- member and its score, nil at the end.
local function read_span(group, size, is_down, score, place)
  local key, is_range = group.name, group[1].kind == 'R'
  local low, high = 0, math.huge
  if place ~= '' and is_range then
    low = not is_down and redis.call('ZLEXCOUNT', key, '-', '[' .. place) or 0
    high = is_down and redis.call('ZLEXCOUNT', key, '-', '(' .. place) or high
  elseif place ~= '' then
    low = rank_of_place(key, score, place, true)
  end
  local spans, members = spans_of(group), {}
  for i = 1, #spans do
    local span = spans[is_down and #spans + 1 - i or i]
    local first, last = math.max(span[1], low), math.min(span[2], high) - 1
    local missing = size - #members
    if first <= last and missing > 0 then
      local found
      if is_down then
        found = redis.call('ZRANGE', key, math.max(first, last - missing + 1), last)
      else
        found = redis.call('ZRANGE', key, first, math.min(last, first + missing - 1))
      end
      for j = 1, #found do
        members[#members + 1] = found[is_down and #found + 1 - j or j]
      end
    end
  end
  local last = #members == size and members[size] or nil
  local last_score = last and (is_range and '' or redis.call('ZSCORE', key, last))
  for i = 1, is_range and #members or 0 do
    members[i] = split_entry(members[i])
  end
  return members, last, last_score
end

-- Return the required condition that a plan reads, and whether its leaves hold nothing else.
local function condition_of(root, plan)
  if plan == '' then
    return everything, true
  end
  for _, node in ipairs(conjuncts(root)) do
    if node.kind ~= 'N' then
      local leaves, is_exact = add_leaves(node, {})
      if plan_of(leaves) == plan then
        return node, is_exact
      end
    end
  end
end

-- Cut the sets in order of creation to a part of that order. Return the condition in it.
local function cut(root_at, from, to, before, score, last)
  window = {from = from, to = to, before = before, score = score, last = last}
  everything.size = redis.call('ZCOUNT', KEYS[1], from, to)
  everything.cost, everything.first = everything.size, nil
  if before then
    everything.first = redis.call('ZCOUNT', KEYS[1], '-inf', before)
  end
  return condition(root_at)
end

-- Cut the sets in order of creation to a window after a time, or before it, so small that
-- the step is short. Return the condition in it, its leaves in this order, and the time
-- where the next step begins, nil at the end.
local function cut_to_window(root_at, plan, is_down, time, weight)
  local root
  local function leaves_in(from, to, before, score, last)
    root = cut(root_at, from, to, before, score, last)
    local groups = group_leaves(plan)
    return groups[#groups]
  end
  local group
  if time == '' then
    group = leaves_in('-inf', '+inf', nil)
  elseif is_down then
    group = leaves_in('-inf', '(' .. time, nil, nil, time)
  else
    group = leaves_in('(' .. time, '+inf', time, time)
  end
  local largest, every = group[1], 0
  for _, node in ipairs(group) do
    every = every + node.size
    largest = node.size > largest.size and node or largest
  end
  local key, first, rest = largest.key or KEYS[1], largest.first or 0, largest.size
  local size, bound = math.ceil(math.min(rest, most * rest / math.max(every, 1))), nil
  while true do
    if size < rest then
      local rank = is_down and first + rest - size or first + size - 1
      bound = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')[2]
      if is_down then
        group = leaves_in(bound, time == '' and '+inf' or '(' .. time, '(' .. bound, bound,
          time)
      else
        group = leaves_in(time == '' and '-inf' or '(' .. time, bound,
          time ~= '' and time or nil, time, bound)
      end
    end
    local from, is_exact = condition_of(root, plan)
    local read = 0
    for _, node in ipairs(group) do
      read = read + node.size
    end
    local cost = cost_of(root, from, group, is_exact) + (weight - 1) * read
    if cost <= 1.2 * most or size <= 1 then
      return root, group, bound
    end
    size = math.max(math.floor(size * most / cost), 1)
  end
end

-- Call `visit` with the ids of some leaves in order of creation, each once.
local function each_in_window(group, visit)
  local node = #group == 1 and group[1] or unite('O', group)
  each(node, visit)
end

-- Take one step: call `visit` with live ids that meet the condition at ARGV[root_at].
-- weight: how many looks the caller adds for an id. Return the cursor of the next step, ""
-- after the last one.
local function take_step(root_at, weight, visit)
  local plan, direction, number, time, place = unpack(split(cursor))
  local is_down = direction == '-'
  local root, _ = condition(root_at)
  -- Each step, and each try to cut a window, reads the size of each leaf.
  most = math.max(most, LOOKS_PER_LEAF * root.leaves)
  local groups = group_leaves(plan)
  number = tonumber(number)
  local group, next_time, next_place = groups[number], nil, ''
  weight = weight + (expired_count > 0 and 1 or 0)

  local function visit_matches(ids)
    for i = 1, number - 1 do
      ids = leave_out(groups[i], ids)
    end
    local from, is_exact = condition_of(root, plan)
    visit(keep_alive(filter(root, ids, is_exact and from or nil)))
  end

  if group.name == KEYS[1] then
    local timed
    root, timed, next_time = cut_to_window(root_at, plan, is_down, time, weight)
    each_in_window(timed, visit_matches)
  elseif group.name == 'I' then
    local ids, first = {}, tonumber(time) or 0
    for _, node in ipairs(group) do
      for _, pk in ipairs(node.ids) do
        ids[#ids + 1] = pk
      end
    end
    local last = math.min(first + step_size(root, weight), #ids)
    next_time = last < #ids and digits(last) or nil
    local some, seen = {}, {}
    for i = 1, last do
      some[#some + 1] = i > first and not seen[ids[i]] and ids[i] or nil
      seen[ids[i]] = true
    end
    each(id_list(some), visit_matches)
  else
    local ids
    ids, next_place, next_time = read_span(group, step_size(root, weight), is_down, time,
      place)
    each_chunk(ids, function(_, some)
      visit_matches(some)
    end)
  end
  if not next_time then
    number, next_time, next_place = number + 1, '', ''
  end
  if number > #groups then
    return ''
  end
  return join({plan, direction, digits(number), next_time, next_place})
end
