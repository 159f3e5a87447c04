-- The conditions of a query: their sizes, who meets them, and where to look for those.
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
-- COST     a chunk of 1000 ids through one condition: 0.2 to 0.5 ms
-- DERIVED  none here: base is for the scripts that include this

-- unpack() fails near 8000 values: Lua 5.1's C stack.
local CHUNK = 1000
local HIGHEST = '\255'

local base = string.sub(KEYS[1], 1, -4)
local now, now_us = clock()
local due = redis.call('ZCOUNT', KEYS[2], '-inf', now)
local total = redis.call('ZCARD', KEYS[1])
local everything = {kind = 'A', kids = {}, size = total, share = 1}

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

-- A range of one value, or of many, with its size.
local function range(key, sort_keys, low, high)
  local size = between(key, low, high)
  return {kind = 'R', key = key, sort_keys = sort_keys, low = low, high = high,
    size = size, share = size / math.max(total, 1), from = lead(low, 1), till = lead(high, 1)}
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
  return {kind = 'I', key = key, ids = ids, known = known, size = #ids,
    share = #ids / math.max(total, #ids, 1)}
end

local function opposite(node)
  return {kind = 'N', kids = {node}, size = total, share = 1 - node.share}
end

-- All of some conditions: as few as the smallest, found among that one's.
local function all_of(kids)
  local node = {kind = 'A', kids = kids, size = total, share = 1}
  for _, kid in ipairs(kids) do
    node.share = node.share * kid.share
    if kid.kind ~= 'N' and kid.size <= node.size then
      node.size, node.smallest = kid.size, kid
    end
  end
  table.sort(kids, function(a, b) return a.share < b.share end)
  return node
end

-- The conditions that must all be met for one to be.
local function conjuncts(node)
  return node.kind == 'A' and node.kids or {node}
end

-- Both of two conditions, without nesting.
local function both(one, other)
  local kids = {one}
  for _, kid in ipairs(conjuncts(other)) do
    kids[#kids + 1] = kid
  end
  return all_of(kids)
end

local function some_of(kind, kids)
  local node = {kind = kind, kids = kids, size = 0, share = 1}
  for _, kid in ipairs(kids) do
    node.size = math.min(node.size + kid.size, total)
    node.share = node.share * (1 - kid.share)
  end
  node.share = 1 - node.share
  return node
end

-- The condition that begins at ARGV[at], and where the next one begins.
local function condition(at)
  local kind = ARGV[at]
  if kind == 'T' then
    local key = KEYS[tonumber(ARGV[at + 1])]
    local size = redis.call('ZCARD', key)
    local share = size / math.max(total, 1)
    return {kind = 'T', key = key, size = size, share = share}, at + 2
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

-- Call with chunks of a list, and where each begins, until it returns true.
local function chunked(list, visit)
  for from = 1, #list, CHUNK do
    if visit(from, {unpack(list, from, math.min(from + CHUNK - 1, #list))}) then
      return true
    end
  end
end

-- What the store says of each id: the replies of one command in chunks. false: nothing.
local function asked(command, key, ids)
  if #ids <= CHUNK then
    return #ids > 0 and redis.call(command, key, unpack(ids)) or {}
  end
  local all = {}
  chunked(ids, function(from, some)
    for i, reply in ipairs(redis.call(command, key, unpack(some))) do
      all[from + i - 1] = reply
    end
  end)
  return all
end

-- Those ids whose fact passes, in order.
local function chosen(ids, facts, passes)
  local kept = {}
  for i = 1, #ids do
    if passes(facts[i]) then
      kept[#kept + 1] = ids[i]
    end
  end
  return kept
end

local function is_there(fact)
  return fact
end

local meets

-- Of a condition of several: how many of them each id meets, in {id: number}.
local function tallied(node, ids)
  local met, rest = {}, ids
  for _, kid in ipairs(node.kids) do
    for _, pk in ipairs(meets(kid, rest)) do
      met[pk] = (met[pk] or 0) + 1
    end
    if node.kind == 'O' then
      local left = {}
      for _, pk in ipairs(rest) do
        if not met[pk] then
          left[#left + 1] = pk
        end
      end
      rest = left
    end
  end
  return met
end

-- Those of the ids that meet a condition, in their order. `given` is one of which it
-- is known that they do.
function meets(node, ids, given)
  if #ids == 0 or node == given then
    return ids
  elseif node.kind == 'T' then
    return chosen(ids, asked('ZMSCORE', node.key, ids), is_there)
  elseif node.kind == 'D' then
    return chosen(ids, asked('ZMSCORE', KEYS[2], ids), function(score)
      return score == node.score
    end)
  elseif node.kind == 'R' then
    local from, till, low, high = node.from, node.till, node.low, node.high
    local kept, facts = {}, asked('HMGET', node.sort_keys, ids)
    for i = 1, #ids do
      local sort_key = facts[i]
      local first = sort_key and lead(sort_key, 1)
      if first and (first > from or first == from and not is_before(sort_key, low))
        and (first < till or first == till and is_before(sort_key, high)) then
        kept[#kept + 1] = ids[i]
      end
    end
    return kept
  elseif node.kind == 'I' then
    return chosen(ids, ids, function(pk) return node.known[pk] end)
  elseif node.kind == 'A' then
    for _, kid in ipairs(node.kids) do
      ids = meets(kid, ids, given)
    end
    return ids
  elseif node.kind == 'N' then
    local met = {}
    for _, pk in ipairs(meets(node.kids[1], ids)) do
      met[pk] = true
    end
    return chosen(ids, ids, function(pk) return not met[pk] end)
  end
  local met, is_odd = tallied(node, ids), node.kind == 'X'
  return chosen(ids, ids, function(pk)
    return met[pk] and (not is_odd or met[pk] % 2 == 1)
  end)
end

-- The ids that are not due.
local function living(ids)
  if due == 0 or #ids == 0 then
    return ids
  end
  return chosen(ids, asked('ZMSCORE', KEYS[2], ids), function(score)
    return not score or tonumber(score) > now
  end)
end

-- The smallest condition of which every match is known to be.
local function source(node)
  if node.kind == 'A' then
    return node.smallest and source(node.smallest) or everything
  end
  if node.kind == 'X' then
    return {kind = 'O', kids = node.kids, size = node.size, share = node.share}
  end
  return node.kind == 'N' and everything or node
end

-- Ids of a source that stands in a sorted set, from a place on in one direction. An
-- ordered attribute's stand by value, then by creation; all others by creation.
local function stretch(node, from, count, is_down)
  local key, first, size = node.key or KEYS[1], node.first or 0, node.size
  if node.kind == 'R' then
    first = rank_of(key, node.low)
  end
  count = math.min(count, size - from)
  if count <= 0 then
    return {}
  elseif is_down then
    from = redis.call('ZCARD', key) - first - size + from
    return redis.call('ZREVRANGE', key, from, from + count - 1)
  end
  return redis.call('ZRANGE', key, first + from, first + from + count - 1)
end

-- Call with the ids of a source, 1000 at a time, each id once, until it returns true.
local function each(node, visit)
  if node.kind == 'O' then
    local seen = {}
    for _, kid in ipairs(node.kids) do
      local is_done = each(source(kid), function(ids)
        local new = {}
        for _, pk in ipairs(meets(kid, ids, source(kid))) do
          if not seen[pk] then
            seen[pk] = true
            new[#new + 1] = pk
          end
        end
        return visit(new)
      end)
      if is_done then
        return true
      end
    end
  elseif node.kind == 'I' then
    return chunked(node.ids, function(_, some)
      return visit(chosen(some, asked('ZMSCORE', KEYS[1], some), is_there))
    end)
  elseif node.kind == 'D' then
    return visit(redis.call('ZRANGEBYSCORE', KEYS[2], node.score, node.score))
  else
    for from = 0, node.size - 1, CHUNK do
      local ids = stretch(node, from, CHUNK, false)
      if node.kind == 'R' then
        for i, entry in ipairs(ids) do
          ids[i] = split(entry)
        end
      end
      if visit(ids) then
        return true
      end
    end
  end
end

-- Of two terms or more that must be met, the ids that the server finds in all of them,
-- by creation; what they must meet beside; and one of the keys. It looks at an id in half
-- the time that we take. Else nil.
local function intersected(node)
  local command, rest = {'ZINTER', 0}, {}
  for _, kid in ipairs(conjuncts(node)) do
    if kid.kind == 'T' and #command < CHUNK then
      command[#command + 1] = kid.key
    else
      rest[#rest + 1] = kid
    end
  end
  local terms = #command - 2
  if terms < 2 then
    return nil
  end
  -- The default SUM would pass 2^53 with six terms and lose the order.
  command[2], command[terms + 3], command[terms + 4] = terms, 'AGGREGATE', 'MIN'
  return redis.call(unpack(command)), all_of(rest), command[3]
end

-- Call with all ids that meet a condition, 1000 at a time: by creation, where that is
-- the answer.
local function each_match(node, visit)
  local from = source(node)
  local ids, rest = nil, nil
  if from.kind == 'T' then
    ids, rest = intersected(node)
  end
  if ids then
    chunked(ids, function(_, some)
      visit(meets(rest, some))
    end)
    return true
  end
  each(from, function(some)
    visit(meets(node, some, from))
  end)
  return from.kind == 'T' or from.is_single or from == everything
end

-- Every live id that meets a condition, and whether they stand by creation.
local function gathered(node)
  local found = {}
  local is_by_creation = each_match(node, function(ids)
    for _, pk in ipairs(living(ids)) do
      found[#found + 1] = pk
    end
  end)
  return found, is_by_creation
end
