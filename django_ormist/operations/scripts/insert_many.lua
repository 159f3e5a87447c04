-- Write new objects with their index entries, all of them or none.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3 memos (hash)
--          4.. the objects (strings); then the sorted sets of their terms; then of
--          each ordered attribute the entries (sorted set) and the sort keys (hash);
--          then the values of each unique one (hash); then the marker of the request
--          (string), if ARGV 3 is not ""
-- ARGV     1 number of objects  2 "1" if the model is indexed
--          3 how many batches of this request go before it, "" if it is the only one
--          4 "1" if it is the last of the request
--          5 number of ordered attributes  6 number of unique ones
--          7 "0" to skip objects whose id or unique value is taken, "" to refuse;
--          a number to skip them and check that unique value before the id
--          then for each object: id, bytes, deadline in ms, "+" and a lifetime in ms,
--          or "", memo or "",
--          a sort key for each ordered attribute, a value for each unique one, ""
--          for none, number of counters, counter names and values
--          then for each term: how many of the objects carry it, their numbers
-- RETURNS  1 written
--          {1, now, ...} written, now in ms, if any has a lifetime or was skipped:
--          of each of these {number} its id is taken, or
--          {number, which, id} its unique value is held by this object
--          {0, number} that object's id is taken
--          {2, number} no such object, but index entries without a memo
--          {3, number, ...} the deadlines of these objects are past
--          {4} the batch before it was not written
--          {5, number, which, id} that object's unique value is held by this one
--          {-1, key} the key holds another type
--          TRYAGAIN keys of this slot are moving
--          Anything but 1: nothing was written. The marker holds how many batches
--          were; the last batch removes it.
-- COST     O((objects + entries + swept) log n)
-- DERIVED  the counters of each object; the objects that hold unique values; what the
--          memo of an expired one names

local count, is_indexed = tonumber(ARGV[1]), ARGV[2] == '1'
local batches_before, is_last = tonumber(ARGV[3]), ARGV[4] == '1'
local ordered, uniques = tonumber(ARGV[5]), tonumber(ARGV[6])
local skips_conflicts, arbiter = ARGV[7] ~= '', tonumber(ARGV[7]) or 0
local at = 8  -- of the first object

local base = string.sub(KEYS[1], 1, -4)
local last = batches_before and #KEYS - 1 or #KEYS
local first_unique = last - uniques + 1
local first_ordered = first_unique - 2 * ordered

if is_moving(base) then
  return TRY_AGAIN
end
if batches_before and batches_before > 0 then
  local before = redis.call('GET', KEYS[#KEYS])
  if is_last then
    redis.call('DEL', KEYS[#KEYS])
  end
  if tonumber(before or nil) ~= batches_before then
    return {4}
  end
end
local wrong = mistyped(KEYS, 1, 2, 'zset') or mistyped(KEYS, 3, 3, 'hash')
  or mistyped(KEYS, 4 + count, first_ordered - 1, 'zset')
  or mistyped_ordered(KEYS, first_ordered, ordered)
  or mistyped(KEYS, first_unique, last, 'hash')
if wrong then
  return wrong
end
local now, now_us = clock()
local skipped = {}
local are_new = redis.call('EXISTS', unpack(KEYS, 4, 3 + count)) == 0
for i = 1, are_new and 0 or count do
  local found = redis.call('TYPE', KEYS[3 + i])['ok']
  if found ~= 'string' and found ~= 'none' then
    return {-1, KEYS[3 + i]}
  elseif found == 'string'
    and not is_past(KEYS[2], string.sub(KEYS[3 + i], #base + 3)) then
    if not skips_conflicts then
      return {0, i}
    end
    skipped[i] = {i}
  end
end

-- Read the arguments, and check all of them before the first write.
local pks, packed, deadlines, memos, counters = {}, {}, {}, {}, {}
local sort_keys, fields, claimed, NONE = {}, {}, {}, {}
local has_lifetimes, expired = false, {3}
for j = 1, uniques do
  claimed[j] = {}
end

-- Return the live object that holds this unique value, one of these included, or nil.
local function holder_of(j, field)
  local holder = field ~= '' and (claimed[j][field]
    or redis.call('HGET', KEYS[first_unique + j - 1], field))
  if holder and (claimed[j][field]
    or redis.call('EXISTS', base .. 'o:' .. holder) == 1
    and not is_past(KEYS[2], holder)) then
    return holder
  end
end

for i = 1, count do
  pks[i], packed[i], memos[i] = ARGV[at], ARGV[at + 1], ARGV[at + 3]
  local deadline, is_lifetime = deadline_from(ARGV[at + 2])
  local is_expired = deadline and deadline <= now
  if is_expired then
    expired[#expired + 1] = i
  elseif is_lifetime then
    packed[i], has_lifetimes = with_deadline(packed[i], deadline), true
  end
  deadlines[i] = deadline or false
  at = at + 4
  sort_keys[i] = ordered > 0 and {unpack(ARGV, at, at + ordered - 1)}
  at = at + ordered
  fields[i] = uniques > 0 and {unpack(ARGV, at, at + uniques - 1)} or NONE
  at = at + uniques
  local holder = arbiter > 0 and not is_expired and holder_of(arbiter, fields[i][arbiter])
  if holder then
    skipped[i] = {i, arbiter, holder}
  end
  for j, field in ipairs((skipped[i] or is_expired) and NONE or fields[i]) do
    holder = holder_of(j, field)
    if holder and skips_conflicts then
      skipped[i] = {i, j, holder}
      break
    elseif holder then
      return {5, i, j, holder}
    end
  end
  for j, field in ipairs((skipped[i] or is_expired) and NONE or fields[i]) do
    if field ~= '' then
      claimed[j][field] = pks[i]
    end
  end
  local pairs_of = tonumber(ARGV[at])
  if pairs_of > 0 then
    local key = base .. 'c:' .. pks[i]
    local found = redis.call('TYPE', key)['ok']
    if found ~= 'hash' and found ~= 'none' then
      return {-1, key}
    end
    counters[i] = {unpack(ARGV, at + 1, at + 2 * pairs_of)}
  end
  at = at + 1 + 2 * pairs_of
end

if #expired > 1 then
  return expired
end

local leftovers, was_created = {}, redis.call('ZMSCORE', KEYS[1], unpack(pks))
local inserted, answer = {}, {1, digits(now)}
for i = 1, count do
  if skipped[i] then
    answer[#answer + 1] = skipped[i]
  else
    inserted[#inserted + 1] = i
  end
  if was_created[i] and not skipped[i] then
    local memo = redis.call('HGET', KEYS[3], pks[i])
    if not memo and is_indexed and not redis.call('ZSCORE', KEYS[2], pks[i]) then
      return {2, i}
    end
    leftovers[i] = memo or ''
  end
end

-- A SET comes first: out of memory, it is refused before anything is written.
if batches_before and not is_last then
  redis.call('SET', KEYS[#KEYS], batches_before + 1, 'PX', 10000)
end
if #inserted == 0 then
  return answer
end
for _, i in ipairs(inserted) do
  if deadlines[i] then
    redis.call('SET', KEYS[3 + i], packed[i], 'PXAT', deadlines[i] - 1)
  else
    redis.call('SET', KEYS[3 + i], packed[i])
  end
end
for i, memo in pairs(leftovers) do
  purge(base, pks[i], memo, was_created[i])
  redis.call('ZREM', KEYS[2], pks[i])
  redis.call('HDEL', KEYS[3], pks[i])
  redis.call('DEL', base .. 'c:' .. pks[i])
end

local first = next_created(KEYS[1], now_us)
local created, entries = {}, {}
for position, i in ipairs(inserted) do
  created[i] = first + position - 1
  entries[2 * position - 1], entries[2 * position] = created[i], pks[i]
end
redis.call('ZADD', KEYS[1], unpack(entries))
for key = 4 + count, first_ordered - 1 do
  local carriers = tonumber(ARGV[at])
  entries = {}
  for j = 1, carriers do
    local i = tonumber(ARGV[at + j])
    if created[i] then
      entries[#entries + 1], entries[#entries + 2] = created[i], pks[i]
    end
  end
  if #entries > 0 then
    redis.call('ZADD', KEYS[key], unpack(entries))
  end
  at = at + 1 + carriers
end
for j = 1, ordered do
  local values = {}
  entries = {}
  for _, i in ipairs(inserted) do
    local sort_key = sort_keys[i][j]
    if sort_key ~= '' then
      entries[#entries + 1] = 0
      entries[#entries + 1] = entry(sort_key, created[i], pks[i])
      values[#values + 1] = pks[i]
      values[#values + 1] = sort_key
    end
  end
  if #entries > 0 then
    redis.call('ZADD', KEYS[first_ordered + 2 * j - 2], unpack(entries))
    redis.call('HSET', KEYS[first_ordered + 2 * j - 1], unpack(values))
  end
end
for j = 1, uniques do
  for field, pk in pairs(claimed[j]) do
    redis.call('HSET', KEYS[first_unique + j - 1], field, pk)
  end
end
for _, i in ipairs(inserted) do
  if deadlines[i] then
    redis.call('ZADD', KEYS[2], deadlines[i], pks[i])
    if memos[i] ~= '' then
      redis.call('HSET', KEYS[3], pks[i], memos[i])
    end
  end
  if counters[i] then
    redis.call('HSET', base .. 'c:' .. pks[i], unpack(counters[i]))
    if deadlines[i] then
      redis.call('PEXPIREAT', base .. 'c:' .. pks[i], deadlines[i] - 1)
    end
  end
end
-- Of several batches that arrive together only the first sweeps as many as a batch may.
sweep(base, peek_expired(KEYS[2], (batches_before or 0) == 0 and 30 or nil))
return (#answer > 2 or has_lifetimes) and answer or 1
