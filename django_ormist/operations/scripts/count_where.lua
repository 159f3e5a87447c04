-- How many live objects meet a condition, or that and each of some others.
--
-- KEYS     as query.lua
-- ARGV     1 number of others; a condition, as conditions.lua; then the others
-- RETURNS  the number, where there are no others; else a list, one number for each
-- COST     O(log n) of one condition where nothing is due; of several as matching.lua,
--          1 us an id; with d objects due the less of d and of reading the condition
-- DERIVED  none

-- INCLUDE conditions
-- INCLUDE matching

local number

-- Of all terms: as ZINTERCARD counts them, which came with Redis 7.0. Else nil.
local function met(kids)
  local command = {'ZINTERCARD', #kids}
  for i, kid in ipairs(kids) do
    if kid.kind ~= 'T' then
      return nil
    end
    command[i + 2] = kid.key
  end
  local count = redis.pcall(unpack(command))
  return type(count) == 'number' and count or nil
end

local function looked_at(node)
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

-- Of any of several ranges of one attribute: the sum of those, joined where they meet.
-- Else nil.
local function in_ranges(kids)
  local ranges = {}
  for i, kid in ipairs(kids) do
    if kid.kind ~= 'R' or kid.key ~= kids[1].key then
      return nil
    end
    ranges[i] = kid
  end
  table.sort(ranges, function(a, b) return is_before(a.low, b.low) end)
  local count, low, high = 0, nil, nil
  for _, kid in ipairs(ranges) do
    if not low or is_before(high, kid.low) then
      count = count + (low and between(kid.key, low, high) or 0)
      low, high = kid.low, kid.high
    elseif is_before(high, kid.high) then
      high = kid.high
    end
  end
  return count + between(kids[1].key, low, high)
end

-- All less those that are negated, where that is less to read. Else nil.
local function less_negated(node)
  local rest, negated = {}, nil
  for _, kid in ipairs(node.kids) do
    if kid.kind == 'N' then
      negated = kid.kids[1]
    else
      rest[#rest + 1] = kid
    end
  end
  if negated then
    local others = all_of(rest)
    local less = both(negated, others)
    if 2 * source(less).cost < source(node).cost then
      return number(others) - number(less)
    end
  end
end

-- How many, those that are due among them.
function number(node)
  if node.kind == 'T' or node.kind == 'R' or node == everything then
    return node.size
  elseif node.kind == 'N' then
    return total - number(node.kids[1])
  elseif node.kind == 'A' then
    return #node.kids < CHUNK and met(node.kids) or less_negated(node) or looked_at(node)
  elseif node.kind == 'O' and #node.kids > 0 and in_ranges(node.kids) then
    return in_ranges(node.kids)
  elseif node.kids and #node.kids == 2 and not node.known then
    local shared = both(node.kids[1], node.kids[2])
    if 2 * source(shared).cost < node.cost then
      local twice = number(shared) * (node.kind == 'X' and 2 or 1)
      return number(node.kids[1]) + number(node.kids[2]) - twice
    end
  end
  return looked_at(node)
end

-- How many of those that are not due.
local function number_living(node)
  if due == 0 then
    return number(node)
  elseif node.kind == 'N' then
    return total - due - number_living(node.kids[1])
  elseif node ~= everything and source(node).cost < due then
    return #gathered(node)
  end
  local count = number(node)
  for from = 0, due - 1, CHUNK do
    local till = math.min(from + CHUNK, due) - 1
    count = count - #meets(node, redis.call('ZRANGE', KEYS[2], from, till))
  end
  return count
end

local others = tonumber(ARGV[1])
local node, following = condition(2)
if others == 0 then
  return number_living(node)
end
local counts, other = {}, nil
for i = 1, others do
  other, following = condition(following)
  counts[i] = number_living(both(other, node))
end
return counts
