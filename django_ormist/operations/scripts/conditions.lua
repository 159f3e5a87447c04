-- Parse the conditions of a query into a tree, with their sizes.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. as the conditions number them
-- ARGV     read by condition(): a condition in prefix notation, made of
--          T key            carries the term of this sorted set
--          R key low high   low <= sort key < high; the hash of sort keys is key + 1
--          I count ids...   is one of these
--          P key low high   low <= score <= high in all or expires: whole numbers
--          U key value      holds this value in the hash of a unique attribute
--          A count ...  O count ...  X count ...   all, any, an odd number of them
--          N ...            not this
-- RETURNS  nothing
-- COST     one command for each condition
-- DERIVED  none here: base is for the scripts that include this
--
-- A node has: kind, children or its arguments; size, the most ids that can meet it; share,
-- the estimated part of all ids that do; cost, how many ids are read to find its matches;
-- leaves, how many commands it takes to check whether some ids meet it. Of a sorted set also:
-- first, the rank where its part begins; is_single, whether it is in order of creation.
-- A leaf from the arguments has `at`, its place there.
-- The tree is in normal form: a negation is the root or the only negation among the
-- children of an A, next to another child. So the matches of any other node are among ids
-- that can be read at its cost.

-- unpack() fails near 8000 values: Lua 5.1's C stack.
local CHUNK = 1000
local HIGHEST = '\255'

local base = string.sub(KEYS[1], 1, -4)
local now, now_us = clock()
local expired_count = redis.call('ZCOUNT', KEYS[2], '-inf', now)
local total = redis.call('ZCARD', KEYS[1])
local everything = {kind = 'A', children = {}, size = total, cost = total, share = 1,
  leaves = 0}
-- The leaves by their places in ARGV, and their sizes in this order.
local leaves_at, sizes = {}, {}
-- A step of a query does not read the sizes again: known_sizes are those of the first call,
-- and only estimates by then. Where it reads a part of the order of creation, that is the
-- window: {from, to, low, high}, as arguments of ZRANGEBYSCORE and as numbers. part: the
-- estimated share of the matches. See steps.lua.
local known_sizes, window, part = nil, nil, 1
local nothing = {kind = 'O', children = {}, size = 0, cost = 0, share = 0, leaves = 0,
  known = {}}

local byte = string.byte

-- Return a number that sorts as six bytes of a text do. Lua compares texts by the
-- server's locale, so never by `<`.
local function prefix_number(text, at)
  local a, b, c, d, e, f = byte(text, at, at + 5)
  return (((((a or 0) * 256 + (b or 0)) * 256 + (c or 0)) * 256 + (d or 0)) * 256
    + (e or 0)) * 256 + (f or 0)
end

-- INCLUDE places

-- Return the rank of the first entry at or above a sort key.
local function rank_of(key, low)
  return low == '' and 0 or redis.call('ZLEXCOUNT', key, '-', '(' .. low)
end
-- Return how many entries are between two sort keys.
local function range_size(key, low, high)
  return redis.call('ZLEXCOUNT', key, '[' .. low, '(' .. high)
end

-- Whether a condition is in order of creation, so that a window can cut it.
local function has_times(node)
  return node.kind == 'T' or node == everything or node.kind == 'P' and node.key == KEYS[1]
end

-- Return a condition that one index answers. `size`: of the complete index.
local function leaf(kind, key, size)
  local node = {kind = kind, key = key, size = size, cost = size, leaves = 1,
    share = size / math.max(total, size, 1)}
  if window and has_times(node) then
    node.size = math.ceil(size * part)
    node.cost = node.size
  end
  return node
end

-- Return the condition of a term, with its size.
local function term(key, size)
  return leaf('T', key, size or redis.call('ZCARD', key))
end

-- Return the condition of a range of one value or many, with its size.
local function range(key, sort_keys, low, high, size)
  local node = leaf('R', key, size or range_size(key, low, high))
  node.sort_keys, node.low, node.high = sort_keys, low, high
  node.from, node.to = prefix_number(low, 1), prefix_number(high, 1)
  return node
end

-- Whether a range begins before another one of the same attribute.
local function begins_before(one, other)
  return one.from < other.from or one.from == other.from and is_before(one.low, other.low)
end

-- Sort ranges by their beginning. The client sends them so.
local function sort_ranges(ranges)
  for i = 2, #ranges do
    if begins_before(ranges[i], ranges[i - 1]) then
      return table.sort(ranges, begins_before)
    end
  end
end

-- Return the condition of one value. Its entries are in order of creation.
local function equal(key, sort_keys, sort_key)
  local node = range(key, sort_keys, sort_key, sort_key .. HIGHEST)
  node.is_single = true
  return node
end

-- Return the condition of a score from low to high in all or expires. An expired object
-- has no deadline, so that the others are in order of it.
local function period(key, low, high, size)
  if key == KEYS[2] then
    low = digits(math.max(tonumber(low), now + 1))
  end
  local node = leaf('P', key, size or redis.call('ZCOUNT', key, low, high))
  node.low, node.high = tonumber(low), tonumber(high)
  node.first = not known_sizes and redis.call('ZCOUNT', key, '-inf', '(' .. low) or nil
  node.is_single = key == KEYS[1]  -- by creation
  return node
end

-- Return the condition of being one of some ids. `key`: where they were read, if any.
local function id_list(ids, key)
  local known = {}
  for _, pk in ipairs(ids) do
    known[pk] = true
  end
  local node = leaf('I', key, #ids)
  node.ids, node.known = ids, known
  return node
end

-- Return the opposite of a condition.
local function negate(node)
  if node.kind == 'N' then
    return node.children[1]
  elseif node == everything or node == nothing then
    return node == nothing and everything or nothing
  end
  return {kind = 'N', children = {node}, size = total, cost = total, share = 1 - node.share,
    leaves = node.leaves}
end

-- Return the conditions whose conjunction is this one.
local function conjuncts(node)
  return node.kind == 'A' and node.children or {node}
end

-- Return a list where the nodes of one kind are replaced by their children.
local function flatten(nodes, kind)
  local flat = {}
  for _, node in ipairs(nodes) do
    if node.kind == kind then
      for _, child in ipairs(node.children) do
        flat[#flat + 1] = child
      end
    else
      flat[#flat + 1] = node
    end
  end
  return flat
end

-- Return the nodes that are not negations, and the negated nodes of the others.
local function split_negated(nodes)
  local plain, negated = {}, {}
  for _, node in ipairs(nodes) do
    if node.kind == 'N' or node == everything then
      negated[#negated + 1] = negate(node)
    else
      plain[#plain + 1] = node
    end
  end
  return plain, negated
end

-- Return any of some conditions ('O'), or an odd number of them ('X'), without negations.
local function unite(kind, children)
  if #children < 2 then
    return children[1] or nothing
  end
  local node = {kind = kind, children = children, size = 0, cost = 0, share = 1, leaves = 0}
  local attributes = {}
  for _, child in ipairs(children) do
    -- The sort key of an id is read once for all ranges of an attribute.
    local is_known = child.kind == 'R' and attributes[child.key]
    attributes[child.key or ''] = child.kind == 'R'
    node.size = math.min(node.size + child.size, total)
    node.cost = node.cost + child.cost
    node.share = node.share * (1 - child.share)
    node.leaves = node.leaves + (is_known and 1 / 8 or child.leaves)
  end
  node.share = 1 - node.share
  return node
end

local some_of

-- Return the conjunction of conditions. Its matches are among those of the cheapest.
local function all_of(nodes)
  local children, negated = split_negated(flatten(nodes, 'A'))
  local smallest = children[1]
  for _, child in ipairs(children) do
    smallest = child.cost < smallest.cost and child or smallest
  end
  if #negated > 0 then
    children[#children + 1] = negate(some_of('O', negated))
  end
  if #children < 2 then
    return children[1] or everything
  end
  local node = {kind = 'A', children = children, smallest = smallest, size = smallest.size,
    cost = 0, share = 1, leaves = 0}
  for _, child in ipairs(children) do
    local plain = child.kind == 'N' and child.children[1] or child
    local full_cost = plain.known and 0 or plain.cost
    node.cost = node.cost + math.min(full_cost, smallest.cost * child.leaves)
    node.share = node.share * child.share
    node.leaves = node.leaves + child.leaves
  end
  table.sort(children, function(a, b) return a.share < b.share end)
  return node
end

-- Return any of some conditions ('O'), or an odd number of them ('X').
function some_of(kind, nodes)
  if #nodes == 1 then
    return nodes[1]  -- with its `known`
  end
  local children, negated = split_negated(flatten(nodes, kind))
  if kind == 'X' then
    for _, node in ipairs(negated) do
      children[#children + 1] = node ~= nothing and node or nil
    end
    local node = unite('X', children)
    return #negated % 2 == 1 and negate(node) or node
  end
  for _, node in ipairs(negated) do
    if node == nothing then
      return everything
    end
  end
  if #negated > 0 then
    -- Any of p and not q: not (q and not p).
    negated[#negated + 1] = negate(unite('O', children))
    return negate(all_of(negated))
  end
  return unite('O', children)
end

-- Return the conjunction of two conditions.
local function both(one, other)
  return all_of({one, other})
end

-- Return the leaf that begins at ARGV[at], and where the next condition begins. `size`: if
-- it is known.
local function leaf_from(at, size)
  local kind = ARGV[at]
  if kind == 'T' then
    return term(KEYS[tonumber(ARGV[at + 1])], size), at + 2
  elseif kind == 'R' then
    local place = tonumber(ARGV[at + 1])
    return range(KEYS[place], KEYS[place + 1], ARGV[at + 2], ARGV[at + 3], size), at + 4
  elseif kind == 'P' then
    return period(KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3], size), at + 4
  elseif kind == 'I' then
    local count, ids = tonumber(ARGV[at + 1]), {}
    for i = 1, count do
      ids[i] = ARGV[at + 1 + i]
    end
    return id_list(ids), at + 2 + count
  elseif kind == 'U' then
    local key = KEYS[tonumber(ARGV[at + 1])]
    return id_list({redis.call('HGET', key, ARGV[at + 2]) or nil}, key), at + 3
  end
end

-- Return the condition that begins at ARGV[at], and where the next one begins.
local function condition(at)
  local kind = ARGV[at]
  local node, after = leaf_from(at, known_sizes and known_sizes[#sizes + 1])
  if node then
    node.at, leaves_at[at] = at, node
    sizes[#sizes + 1] = node.size
    return node, after
  elseif kind == 'N' then
    local child, following = condition(at + 1)
    return negate(child), following
  end
  local children, following = {}, at + 2
  for i = 1, tonumber(ARGV[at + 1]) do
    children[i], following = condition(following)
  end
  return kind == 'A' and all_of(children) or some_of(kind, children), following
end
