-- Count the live objects that meet a condition, or it and each of some others.
--
-- KEYS     as query.lua
-- ARGV     1 number of others; a condition, as conditions.lua; then the others; then as
--          steps.lua
-- RETURNS  {cursor, number}, where there are no others: the numbers of all steps are added,
--          and "" is the last cursor. Else one number for each of the first others that
--          were counted within the looks: maybe none
-- COST     O(log n) for one condition where nothing is expired; for several as matching.lua,
--          0.5 us an id; with d expired objects the lesser of d and of reading the condition.
--          At most as steps.lua
-- DERIVED  none

-- INCLUDE conditions
-- INCLUDE matching
-- INCLUDE steps

local count_matches

-- Count the ids that carry all terms by ZINTERCARD, which came with Redis 7.0. Else nil.
local function count_intersection(children)
  local command, smallest = {'ZINTERCARD', #children}, math.huge
  for i, child in ipairs(children) do
    if child.kind ~= 'T' then
      return nil
    end
    command[i + 2] = child.key
    smallest = math.min(smallest, child.size)
  end
  spend_on_sets(smallest, #children)
  local count = redis.pcall(unpack(command))
  return type(count) == 'number' and count or nil
end

local function count_by_reading(node)
  local count = 0
  if node.known and node.kind ~= 'I' then
    for _ in pairs(node.known) do
      count = count + 1
    end
    return count
  end
  each_match(node, function(ids)
    count = count + #ids
  end)
  return count
end

-- Count the ids in any of several periods: the sum of the joined periods.
local function count_periods(periods)
  table.sort(periods, function(a, b) return a.low < b.low end)
  local count, first, last = 0, nil, nil
  for _, child in ipairs(periods) do
    if not last or last < child.first then
      count = count + (last and last - first or 0)
      first, last = child.first, child.first + child.size
    end
    last = math.max(last, child.first + child.size)
  end
  return count + last - first
end

-- Count the ids in any of several ranges of one attribute, or periods of one kind: the sum
-- of the joined ranges. nil for other conditions.
local function count_ranges(children)
  local ranges = {}
  for i, child in ipairs(children) do
    if child.kind ~= 'R' and child.kind ~= 'P' or child.key ~= children[1].key then
      return nil
    end
    ranges[i] = child
  end
  if children[1].kind == 'P' then
    return count_periods(ranges)
  end
  sort_ranges(ranges)
  local count, low, high, size = 0, nil, nil, 0
  for _, child in ipairs(ranges) do
    if not low or not is_before(child.low, high) then
      count = count + (size or range_size(child.key, low, high))
      low, high, size = child.low, child.high, child.size
    elseif is_before(high, child.high) then
      high, size = child.high, nil
    end
  end
  return count + (size or range_size(children[1].key, low, high))
end

-- Count the matches without the negation, less those that it excludes. nil where that
-- reads more.
local function subtract_negated(node)
  local rest, negated = {}, nil
  for _, child in ipairs(node.children) do
    if child.kind == 'N' then
      negated = child.children[1]
    else
      rest[#rest + 1] = child
    end
  end
  if negated then
    local others = all_of(rest)
    local less = both(negated, others)
    if 2 * source(less).cost < source(node).cost then
      return count_matches(others) - count_matches(less)
    end
  end
end

-- Count the matches, expired ones among them.
function count_matches(node)
  if node.kind == 'T' or node.kind == 'R' or node.kind == 'P' or node == everything then
    return node.size
  elseif node.kind == 'N' then
    return total - count_matches(node.children[1])
  elseif node.kind == 'A' then
    return #node.children < CHUNK and count_intersection(node.children)
      or subtract_negated(node) or count_by_reading(node)
  elseif node.kind == 'O' and #node.children > 0 and count_ranges(node.children) then
    return count_ranges(node.children)
  elseif node.children and #node.children == 2 and not node.known then
    local shared = both(node.children[1], node.children[2])
    if 2 * source(shared).cost < node.cost then
      local twice = count_matches(shared) * (node.kind == 'X' and 2 or 1)
      return count_matches(node.children[1]) + count_matches(node.children[2]) - twice
    end
  end
  return count_by_reading(node)
end

-- Count the matches that are not expired.
local function count_alive(node)
  if expired_count == 0 then
    return count_matches(node)
  elseif node.kind == 'N' then
    return total - expired_count - count_alive(node.children[1])
  elseif node ~= everything and source(node).cost < expired_count then
    return #find_all(node)
  end
  local count = count_matches(node)
  for from = 0, expired_count - 1, CHUNK do
    local to = math.min(from + CHUNK, expired_count) - 1
    spend(to + 1 - from)
    count = count - #filter(node, redis.call('ZRANGE', KEYS[2], from, to))
  end
  return count
end

-- The expired ids of a condition whose size is known are counted in steps from the last one
-- that expired, since a sweep begins with the first. The number that the condition holds is
-- read in the last step, and those counted before must still be there.

-- Return the first cursor of a count in steps.
local function begin(node)
  local plan, cost = choose_plan(node, 1)
  local is_size_known = expired_count > 0 and expired_count * (1 + node.leaves) < cost
    and ends_within(0.75 * most, function() count_matches(node) end)  -- as it is in the end
  if is_size_known then
    return join({'expired', digits(now), '', '0', '0'})
  end
  return first_cursor(plan, cost)
end

-- Return how many looks it takes at most to check some ids: a condition is looked up or read.
local function looks_to_check(node, number)
  if node.known or not node.children then
    return node.known and 0 or math.min(number, node.cost)
  end
  local looks, attributes = 0, {}
  for _, child in ipairs(node.children) do
    if child.kind == 'R' and node.kind ~= 'A' then  -- as count_met()
      looks = looks + number * (attributes[child.key] and 1 / 8 or 1)
      attributes[child.key] = true
    else
      looks = looks + looks_to_check(child, number)
    end
  end
  return math.min(looks, node.cost)
end

-- Return how many ids a step may check.
local function step_size(node)
  local longest = math.min(most, STEP)
  local size = math.max(math.floor(longest / (1 + node.leaves)), 1)
  while 2 * size + looks_to_check(node, 2 * size) <= longest do
    size = 2 * size
  end
  return size
end

-- Take one step of this count. Return the cursor of the next one, and the number.
local function subtract_expired(node)
  local _, until_ms, place, done, met = unpack(split(cursor))
  local expired = redis.call('ZCOUNT', KEYS[2], '-inf', until_ms)
  local after = place == '' and expired or redis.call('ZRANK', KEYS[2], place)
  if not after or expired - after ~= tonumber(done) then
    return first_cursor(choose_plan(node, 1)), 0  -- some of them were swept
  end
  local first = math.max(after - step_size(node), 0)
  local ids = after > 0 and redis.call('ZRANGE', KEYS[2], first, after - 1) or {}
  local found = 0
  each_chunk(ids, function(_, some)
    found = found + #filter(node, some)
  end)
  met = tonumber(met) + found
  local number = 0
  if first > 0 then
    return join({'expired', until_ms, ids[1], digits(tonumber(done) + #ids), digits(met)}), 0
  elseif ends_within(most, function() number = count_matches(node) - met end) then
    return '', number
  end
  return first_cursor(choose_plan(node, 1)), 0
end

local others, number = tonumber(ARGV[1]), 0
local is_of_expired = string.sub(cursor, 1, 9) == '7:expired'
if not is_first and not is_of_expired then
  local next_cursor = take_step(2, 1, function(ids)
    number = number + #ids
  end)
  return {next_cursor, number}
end
local node, following = condition(2)
if others > 0 then
  local counts = {}
  ends_within(math.min(most, STEP), function()
    for i = 1, others do
      local other
      other, following = condition(following)
      counts[i] = count_alive(both(other, node))
    end
  end)
  return counts
end
if is_of_expired then
  return {subtract_expired(node)}
end
local is_done = is_answered_by(node, function() number = count_alive(node) end)
return is_done and {'', number} or {begin(node), 0}
