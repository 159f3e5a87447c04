-- How many live objects meet a condition.
--
-- KEYS     as ask.lua
-- ARGV     a condition, as conditions.lua
-- RETURNS  the number
-- COST     O(log n) of one condition where nothing is due; of several 1 us an id of the
--          smallest; and 1 us for each object that is due
-- DERIVED  none

-- INCLUDE conditions

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

-- How many, what is due among them.
function number(node)
  if node.kind == 'T' or node.kind == 'R' then
    return node.size
  elseif node.kind == 'N' then
    return total - number(node.kids[1])
  elseif node.kind == 'A' then
    if #node.kids == 0 then
      return total
    end
    local count = #node.kids < CHUNK and met(node.kids)
    if count then
      return count
    end
    -- All but some: all, less those, if they are fewer to look at.
    for i, kid in ipairs(node.kids) do
      if kid.kind == 'N' then
        local rest = {}
        for j, other in ipairs(node.kids) do
          rest[#rest + 1] = j ~= i and other or nil
        end
        local others = all_of(rest)
        local less = both(kid.kids[1], others)
        if 2 * source(less).size < source(node).size then
          return number(others) - number(less)
        end
      end
    end
  elseif node.kind == 'O' and #node.kids > 0 and in_ranges(node.kids) then
    return in_ranges(node.kids)
  elseif node.kids and #node.kids == 2 then
    local shared = both(node.kids[1], node.kids[2])
    if 2 * source(shared).size < node.size then
      local twice = number(shared) * (node.kind == 'X' and 2 or 1)
      return number(node.kids[1]) + number(node.kids[2]) - twice
    end
  end
  return looked_at(node)
end

local node = condition(1)
local count = number(node)
for from = 0, due - 1, CHUNK do
  local till = math.min(from + CHUNK, due) - 1
  count = count - #meets(node, redis.call('ZRANGE', KEYS[2], from, till))
end
return count
