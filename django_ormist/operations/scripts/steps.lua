-- Read the matches of a condition in steps, between which the server serves other clients.
--
-- KEYS     as conditions.lua
-- ARGV     the last two: the most looks at ids in a step; the cursor, of the reply before.
--          At first it is "", to try to answer in one step, or "+", for the first cursor
-- RETURNS  nothing
-- COST     a step: at most half as many looks again, 0.5 to 1 us each
-- DERIVED  none
--
-- A plan names the leaves that together hold all matches, by their places in ARGV; "": all
-- objects. They form groups, each in one order: that of creation, of an attribute, of the
-- deadlines, or of given ids. The groups are read one after the other. An id is left out
-- where it is in an earlier group.
--
-- A cursor names the plan, the direction, the group, whether it is that of creation, the last
-- place in its order, the part of the group that a step reads, and the size of each leaf: it
-- is read once. The place is not a rank, so that an object which is not changed is found
-- once, whatever is written between the steps. The part follows from the looks of the step
-- before. A step of too many looks answers nothing, and the next one reads a quarter.

local most, cursor = tonumber(ARGV[#ARGV - 1]), ARGV[#ARGV]

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

-- Return how many looks the matches take at most after they are found: `weight` each, and
-- one at each deadline if any object has expired.
local function cost_of_matches(root, weight)
  return (weight + (expired_count > 0 and 1 or 0)) * root.size
end

-- Return the cheapest plan, and its cost. weight: as of take_step().
local function choose_plan(root, weight)
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
  return best, least + cost_of_matches(root, weight)
end

-- Whether a function that answers the whole query ended within the looks at once.
local function is_answered_by(root, work)
  return cursor == '' and ends_within(looks_at_once(root, most), work)
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

-- Return the cursor of a step.
local function cursor_of(plan, direction, groups, number, time, place, share, sizes_text)
  local is_timed = groups[number].name == KEYS[1]
  return join({plan, direction, digits(number), is_timed and '1' or '', time, place,
    string.format('%.17g', share), sizes_text})
end

-- Return the cursor of the first step of a plan, which takes `cost` looks in all. direction:
-- "+" or "-" for one in which the matches come in order, else "".
local function first_cursor(plan, cost, direction)
  return cursor_of(plan, direction or '', group_leaves(plan), 1, '', '',
    math.min(0.8 * math.min(most, STEP) / math.max(cost, 1), 1), table.concat(sizes, ','))
end

-- Return the ids that are not in a group, which is not that of creation.
local function leave_out(group, ids)
  local kind, facts = group[1].kind, ids
  spend(#ids * #group / 8)
  if kind == 'R' then
    facts = call_chunked('HMGET', group[1].sort_keys, ids)
  elseif kind == 'P' then
    facts = call_chunked('ZMSCORE', group[1].key, ids)
  end
  return keep_if(ids, facts, function(fact)
    local score = kind == 'P' and tonumber(fact or nil)
    local first = kind == 'R' and fact and prefix_number(fact, 1)
    for _, node in ipairs(group) do
      if kind == 'I' and node.known[fact] or kind == 'R' and is_in_range(node, fact, first)
        or score and score >= node.low and score <= node.high then
        return false
      end
    end
    return true
  end)
end

-- Read the next of given ids, after `first`. Return them and the number of the last one, nil
-- at the end. The holder of a unique value keeps its number, whether there is one.
local function read_given(group, size, first)
  local ids, seen, number = {}, {}, 0
  for _, node in ipairs(group) do
    for i = 1, node.key and 1 or #node.ids do
      local pk = node.ids[i]
      number = number + 1
      if pk and not seen[pk] and number > first and number <= first + size then
        ids[#ids + 1] = pk
      end
      seen[pk or ''] = true
    end
  end
  return ids, number > first + size and digits(first + size) or nil
end

-- Read the next ids of an ordered attribute. Return them and the last entry, nil at the end.
local function read_ranges(group, size, is_down, place)
  if is_down then
    table.sort(group, function(a, b) return is_before(b.high, a.high) end)
  else
    sort_ranges(group)
  end
  local entries = {}
  local last = place ~= '' and place or nil
  for _, node in ipairs(group) do
    local low, high, found = '[' .. node.low, '(' .. node.high, nil
    if is_down then
      high = last and is_before(last, node.high) and '(' .. last or high
    elseif last and is_before(node.low, last) then
      low = '(' .. last
    end
    if is_down and not (last and is_before(last, node.low))
      or not is_down and not (last and not is_before(last, node.high)) then
      local command = is_down and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
      found = redis.call(command, group.name, is_down and high or low, is_down and low or high,
        'LIMIT', 0, size - #entries)
      spend(#found + 2)
      for _, entry in ipairs(found) do
        entries[#entries + 1] = entry
      end
      last = entries[#entries] or last
    end
    if #entries >= size then
      break
    end
  end
  local ids = {}
  for i, entry in ipairs(entries) do
    ids[i] = split_entry(entry)
  end
  return ids, #entries >= size and entries[#entries] or nil
end

-- Read the next ids of the deadlines, the earliest first. Return them, the last one and its
-- deadline, nil at the end.
local function read_deadlines(group, size, score, place)
  local key, spans, ids = group.name, {}, {}
  for i, node in ipairs(group) do
    spans[i] = {redis.call('ZCOUNT', key, '-inf', '(' .. digits(node.low)),
      redis.call('ZCOUNT', key, '-inf', digits(node.high))}
  end
  table.sort(spans, function(a, b) return a[1] < b[1] end)
  local rank = place ~= '' and rank_of_place(key, score, place, true) or 0
  for _, span in ipairs(spans) do
    rank = math.max(rank, span[1])
    local last = math.min(span[2], rank + size - #ids) - 1
    for _, pk in ipairs(rank <= last and redis.call('ZRANGE', key, rank, last) or {}) do
      ids[#ids + 1] = pk
    end
    rank = math.max(rank, last + 1)
  end
  spend(#ids)
  local last = #ids == size and ids[size] or nil
  return ids, last, last and redis.call('ZSCORE', key, last)
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

-- Set the window after a time, or before it, that holds a part of the objects. Return the
-- time where the next step begins, nil at the end; and whether it cannot be smaller.
local function set_window(timed, is_down, time)
  local one = #timed == 1 and timed[1] or everything
  local key = one.key or KEYS[1]
  local size, number = redis.call('ZCARD', key), math.max(one.size, 1)
  local rank = is_down and size or 0
  if time ~= '' then
    rank = redis.call('ZCOUNT', key, '-inf', is_down and '(' .. time or time)
  end
  if one.kind == 'P' and is_down then
    rank = math.min(rank, redis.call('ZCOUNT', key, '-inf', digits(one.high)))
  elseif one.kind == 'P' then
    rank = math.max(rank, redis.call('ZCOUNT', key, '-inf', '(' .. digits(one.low)))
  end
  local bound
  if is_down and rank > number or not is_down and rank + number < size then
    local last = is_down and rank - number or rank + number - 1
    bound = redis.call('ZRANGE', key, last, last, 'WITHSCORES')[2]
  end
  local from, to = time ~= '' and '(' .. time or '-inf', bound or '+inf'
  local low, high = tonumber(time), tonumber(bound)
  if is_down then
    from, to = bound or '-inf', time ~= '' and '(' .. time or '+inf'
    low, high = high, low
  end
  window.from, window.to = from, to
  window.low, window.high = low or -math.huge, high or math.huge
  if one.kind == 'P' and (window.high > one.high and not is_down
    or window.low < one.low and is_down) then
    bound = nil
  end
  return bound, number == 1
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
  local plan, direction, number, is_timed, time, place, share, sizes_text =
    unpack(split(cursor))
  local is_down, found = direction == '-', {}
  known_sizes, sizes, part, number = {}, {}, tonumber(share), tonumber(number)
  for size in string.gmatch(sizes_text, '%d+') do
    known_sizes[#known_sizes + 1] = tonumber(size)
  end
  if is_timed == '1' then
    window = {}
    everything.size = math.ceil(total * part)
    everything.cost = everything.size
  end
  local root, _ = condition(root_at)
  most = math.min(most, STEP)
  most_read = most / 4
  local groups = group_leaves(plan)
  local from, is_exact = condition_of(root, plan)
  local group, next_time, next_place = groups[number], nil, ''

  local function add_matches(ids)
    for i = 1, number - 1 do
      ids = leave_out(groups[i], ids)
    end
    found[#found + 1] = keep_alive(filter(root, ids, is_exact and from or nil))
    spend(weight * #found[#found])
  end

  local size = 0
  for _, node in ipairs(group) do
    size = size + node.size
  end
  size = math.max(math.ceil(size * part), 1)
  local is_smallest = size == 1
  if is_timed == '1' then
    next_time, is_smallest = set_window(group, is_down, time)
  end

  local function read_group()
    local ids
    if group.name == KEYS[1] then
      return each_in_window(group, add_matches)
    elseif group.name == 'I' then
      ids, next_time = read_given(group, size, tonumber(time) or 0)
      return each(id_list(ids), add_matches)
    elseif group[1].kind == 'R' then
      ids, next_time = read_ranges(group, size, is_down, place)
      next_time, next_place = next_time and '0', next_time or ''
    else
      ids, next_place, next_time = read_deadlines(group, size, time, place)
    end
    each_chunk(ids, function(_, some)
      add_matches(some)
    end)
  end

  local is_done = ends_within(is_smallest and math.huge or 1.5 * most, read_group)
  if not is_done then
    return cursor_of(plan, direction, groups, number, time, place, part / 4, sizes_text)
  end
  part = math.min(part * math.min(math.max(0.8 * most / math.max(looks, 1), 0.25), 4), 1)
  for _, ids in ipairs(found) do
    visit(ids)
  end
  if not next_time then
    number, next_time, next_place = number + 1, '', ''
  end
  if number > #groups then
    return ''
  end
  return cursor_of(plan, direction, groups, number, next_time, next_place, part, sizes_text)
end
