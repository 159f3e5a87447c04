-- The conditions of a query as a tree, with their sizes.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. as the conditions number them
-- ARGV     read by condition(): a condition in prefix notation, made of
--          T key            carries the term of this sorted set
--          R key low high   low <= sort key < high; the hash of sort keys is key + 1
--          I count ids...   is one of these
--          U key value      is the one that this hash says of a unique value
--          A count ...  O count ...  X count ...   all, any, an odd number of them
--          N ...            not this
-- RETURNS  nothing
-- COST     one command for each condition
-- DERIVED  none here: base is for the scripts that include this
--
-- A node has: kind, kids or what the words say; size, which is the most ids that can meet
-- it; share, the part of all ids that probably do; cost, how many ids are read to find
-- those that meet it; leaves, how many commands it takes to ask whether some ids do.
-- The tree is in normal form: a negation stands at its root or among the kids of an A, one
-- at most, beside another kid. So whoever meets any other node is among ids that can be
-- read at its cost.

-- unpack() fails near 8000 values: Lua 5.1's C stack.
local CHUNK = 1000
local HIGHEST = '\255'

local base = string.sub(KEYS[1], 1, -4)
local now, now_us = clock()
local due = redis.call('ZCOUNT', KEYS[2], '-inf', now)
local total = redis.call('ZCARD', KEYS[1])
local everything = {kind = 'A', kids = {}, size = total, cost = total, share = 1,
  leaves = 0}
local nothing = {kind = 'O', kids = {}, size = 0, cost = 0, share = 0, leaves = 0,
  known = {}}

local byte = string.byte

-- A number that sorts as six bytes of a text do. Lua compares texts by the server's
-- locale, so never by `<`.
local function lead(text, at)
  local a, b, c, d, e, f = byte(text, at, at + 5)
  return (((((a or 0) * 256 + (b or 0)) * 256 + (c or 0)) * 256 + (d or 0)) * 256
    + (e or 0)) * 256 + (f or 0)
end

-- Whether one text comes before another, byte by byte.
local function is_before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = byte(one, at), byte(other, at)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

-- The id in an entry of an ordered attribute, and its sort key.
local function split(entry)
  local a, b, c = byte(entry, -3, -1)
  local first = #entry - 2 - (a * 65536 + b * 256 + c)
  return string.sub(entry, first, -4), string.sub(entry, 1, first - 8)
end

-- Rank of the first entry at or above a sort key; how many from there to another.
local function rank_of(key, low)
  return low == '' and 0 or redis.call('ZLEXCOUNT', key, '-', '(' .. low)
end
local function between(key, low, high)
  return redis.call('ZLEXCOUNT', key, '[' .. low, '(' .. high)
end

-- A condition that an index answers by itself.
local function leaf(kind, key, size)
  return {kind = kind, key = key, size = size, cost = size, leaves = 1,
    share = size / math.max(total, size, 1)}
end

-- A range of one value, or of many, with its size.
local function range(key, sort_keys, low, high)
  local node = leaf('R', key, between(key, low, high))
  node.sort_keys, node.low, node.high = sort_keys, low, high
  node.from, node.till = lead(low, 1), lead(high, 1)
  return node
end

-- Who carries the value of a sort key alone: its entries stand by creation.
local function equal(key, sort_keys, sort_key)
  local node = range(key, sort_keys, sort_key, sort_key .. HIGHEST)
  node.is_single = true
  return node
end

-- One of some ids: `key` is where they were read, if they were.
local function listed(ids, key)
  local known = {}
  for _, pk in ipairs(ids) do
    known[pk] = true
  end
  local node = leaf('I', key, #ids)
  node.ids, node.known = ids, known
  return node
end

-- The opposite of a condition.
local function opposite(node)
  if node.kind == 'N' then
    return node.kids[1]
  elseif node == everything or node == nothing then
    return node == nothing and everything or nothing
  end
  return {kind = 'N', kids = {node}, size = total, cost = total, share = 1 - node.share,
    leaves = node.leaves}
end

-- The conditions that must all be met for one to be.
local function conjuncts(node)
  return node.kind == 'A' and node.kids or {node}
end

-- Add the kids of some nodes of one kind to a list, and the other nodes themselves.
local function flattened(nodes, kind)
  local flat = {}
  for _, node in ipairs(nodes) do
    if node.kind == kind then
      for _, kid in ipairs(node.kids) do
        flat[#flat + 1] = kid
      end
    else
      flat[#flat + 1] = node
    end
  end
  return flat
end

-- The nodes that are no negations, and what the others negate.
local function parted(nodes)
  local plain, negated = {}, {}
  for _, node in ipairs(nodes) do
    if node.kind == 'N' or node == everything then
      negated[#negated + 1] = opposite(node)
    else
      plain[#plain + 1] = node
    end
  end
  return plain, negated
end

-- Any of some conditions ('O'), or an odd number of them ('X'), of which none is negated.
local function united(kind, kids)
  if #kids < 2 then
    return kids[1] or nothing
  end
  local node = {kind = kind, kids = kids, size = 0, cost = 0, share = 1, leaves = 0}
  for _, kid in ipairs(kids) do
    node.size = math.min(node.size + kid.size, total)
    node.cost = node.cost + kid.cost
    node.share = node.share * (1 - kid.share)
    node.leaves = node.leaves + kid.leaves
  end
  node.share = 1 - node.share
  return node
end

local some_of

-- All of some conditions: found among those that meet the one that costs least.
local function all_of(nodes)
  local kids, negated = parted(flattened(nodes, 'A'))
  local smallest = kids[1]
  for _, kid in ipairs(kids) do
    smallest = kid.cost < smallest.cost and kid or smallest
  end
  if #negated > 0 then
    kids[#kids + 1] = opposite(some_of('O', negated))
  end
  if #kids < 2 then
    return kids[1] or everything
  end
  local node = {kind = 'A', kids = kids, smallest = smallest, size = smallest.size,
    cost = 0, share = 1, leaves = 0}
  for _, kid in ipairs(kids) do
    local plain = kid.kind == 'N' and kid.kids[1] or kid
    local whole = plain.known and 0 or plain.cost
    node.cost = node.cost + math.min(whole, smallest.cost * kid.leaves)
    node.share = node.share * kid.share
    node.leaves = node.leaves + kid.leaves
  end
  table.sort(kids, function(a, b) return a.share < b.share end)
  return node
end

-- Any of some conditions ('O'), or an odd number of them ('X').
function some_of(kind, nodes)
  if #nodes == 1 then
    return nodes[1]  -- with what is known of it
  end
  local kids, negated = parted(flattened(nodes, kind))
  if kind == 'X' then
    for _, node in ipairs(negated) do
      kids[#kids + 1] = node ~= nothing and node or nil
    end
    local node = united('X', kids)
    return #negated % 2 == 1 and opposite(node) or node
  end
  for _, node in ipairs(negated) do
    if node == nothing then
      return everything
    end
  end
  if #negated > 0 then
    -- Any of p and not q: not (q and not p).
    negated[#negated + 1] = opposite(united('O', kids))
    return opposite(all_of(negated))
  end
  return united('O', kids)
end

-- Both of two conditions.
local function both(one, other)
  return all_of({one, other})
end

-- The condition that begins at ARGV[at], and where the next one begins.
local function condition(at)
  local kind = ARGV[at]
  if kind == 'T' then
    local key = KEYS[tonumber(ARGV[at + 1])]
    return leaf('T', key, redis.call('ZCARD', key)), at + 2
  elseif kind == 'R' then
    local place = tonumber(ARGV[at + 1])
    local node = range(KEYS[place], KEYS[place + 1], ARGV[at + 2], ARGV[at + 3])
    return node, at + 4
  elseif kind == 'I' then
    local count, ids = tonumber(ARGV[at + 1]), {}
    for i = 1, count do
      ids[i] = ARGV[at + 1 + i]
    end
    return listed(ids), at + 2 + count
  elseif kind == 'U' then
    local key = KEYS[tonumber(ARGV[at + 1])]
    return listed({redis.call('HGET', key, ARGV[at + 2]) or nil}, key), at + 3
  elseif kind == 'N' then
    local kid, following = condition(at + 1)
    return opposite(kid), following
  end
  local kids, following = {}, at + 2
  for i = 1, tonumber(ARGV[at + 1]) do
    kids[i], following = condition(following)
  end
  return kind == 'A' and all_of(kids) or some_of(kind, kids), following
end
