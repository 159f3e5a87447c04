-- Write new objects with their index entries, all of them or none.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3 memos (hash)
--          4.. the objects (strings); then the sorted sets of their terms; then of
--          each ordered attribute the entries (sorted set) and the sort keys (hash);
--          then the values of each unique one (hash); then the marker of the request
--          (string), if ARGV 3 is not ""
-- ARGV     1 number of objects
--          2 a letter for each fact: "i" the model is indexed, "e" some objects expire,
--          "c" some have counters
--          3 how many batches of this request go before it, "" if it is the only one
--          4 "1" if it is the last of the request
--          5 number of ordered attributes  6 number of unique ones
--          7 "0" to skip objects whose id or unique value is taken, "" to refuse;
--          a number to skip them and check that unique value before the id
--          then the bytes of each object; with "e" the deadlines in ms, "+" and a
--          lifetime in ms, or "", then the memos or ""; of each ordered attribute a
--          sort key for each object, "" for none; the same of each unique one; with
--          "c" for each object the number of counters, their names and values;
--          then for each term the numbers of the objects that carry it, two bytes each
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

local CHUNK = 1000  -- words of one call: even, since a counter has two

local count, letters = tonumber(ARGV[1]), ARGV[2]
local is_indexed = string.find(letters, 'i', 1, true)
local batches_before, is_last = tonumber(ARGV[3]), ARGV[4] == '1'
local ordered, uniques = tonumber(ARGV[5]), tonumber(ARGV[6])
local skips_conflicts, arbiter = ARGV[7] ~= '', tonumber(ARGV[7]) or 0
local at = 8  -- of the bytes of the first object

-- Return the next word of each object: one call instead of many accesses.
local function next_words()
  at = at + count
  return {unpack(ARGV, at - count, at - 1)}
end

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
local packed, pks, counters, sort_keys, fields, claimed = next_words(), {}, {}, {}, {}, {}
local words, memos, deadlines, expired, has_lifetimes = nil, nil, {}, {3}, false
for i = 1, count do
  pks[i] = string.sub(KEYS[3 + i], #base + 3)
end
if string.find(letters, 'e', 1, true) then
  words, memos = next_words(), next_words()
end
for j = 1, ordered do
  sort_keys[j] = next_words()
end
for j = 1, uniques do
  fields[j], claimed[j] = next_words(), {}
end
for i = 1, words and count or 0 do
  local deadline, is_lifetime = deadline_from(words[i], now)
  deadlines[i] = deadline
  if deadline and deadline <= now then
    expired[#expired + 1] = i
  elseif is_lifetime then
    packed[i], has_lifetimes = with_deadline(packed[i], deadline), true
  end
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

for i = 1, uniques > 0 and count or 0 do
  local is_expired = deadlines[i] and deadlines[i] <= now
  local holder = arbiter > 0 and not is_expired and holder_of(arbiter, fields[arbiter][i])
  if holder then
    skipped[i] = {i, arbiter, holder}
  end
  for j = 1, (skipped[i] or is_expired) and 0 or uniques do
    holder = holder_of(j, fields[j][i])
    if holder and skips_conflicts then
      skipped[i] = {i, j, holder}
      break
    elseif holder then
      return {5, i, j, holder}
    end
  end
  for j = 1, (skipped[i] or is_expired) and 0 or uniques do
    if fields[j][i] ~= '' then
      claimed[j][fields[j][i]] = pks[i]
    end
  end
end
for i = 1, string.find(letters, 'c', 1, true) and count or 0 do
  local pairs_of = tonumber(ARGV[at])
  if pairs_of > 0 then
    local key = base .. 'c:' .. pks[i]
    local found = redis.call('TYPE', key)['ok']
    if found ~= 'hash' and found ~= 'none' then
      return {-1, key}
    end
    counters[i] = {at + 1, at + 2 * pairs_of}
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

-- A SET or MSET comes first: out of memory, it is refused before anything is written.
if batches_before and not is_last then
  redis.call('SET', KEYS[#KEYS], batches_before + 1, 'PX', 10000)
end
if #inserted == 0 then
  return answer
end
local lasting, filled = {}, 0
for _, i in ipairs(inserted) do
  if deadlines[i] then
    redis.call('SET', KEYS[3 + i], packed[i], 'PXAT', deadlines[i] - 1)
  else
    lasting[filled + 1], lasting[filled + 2] = KEYS[3 + i], packed[i]
    filled = filled + 2
  end
end
if filled > 0 then
  redis.call('MSET', unpack(lasting))
end
for i, memo in pairs(leftovers) do
  purge(base, pks[i], memo, was_created[i])
  redis.call('ZREM', KEYS[2], pks[i])
  redis.call('HDEL', KEYS[3], pks[i])
  redis.call('DEL', base .. 'c:' .. pks[i])
end

local first = next_created(KEYS[1], now_us)
local created, entries = {}, {}  -- texts: a call would format a number each time
local LAST, tens = {[0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}, nil
for position, i in ipairs(inserted) do
  local time = first + position - 1
  local last = time % 10
  if last == 0 or not tens then
    tens = digits((time - last) / 10)  -- joining the digit takes a quarter of formatting
  end
  created[i] = tens .. LAST[last]
  entries[2 * position - 1], entries[2 * position] = created[i], pks[i]
end
redis.call('ZADD', KEYS[1], unpack(entries))
for key = 4 + count, first_ordered - 1 do
  entries = {string.byte(ARGV[at], 1, -1)}  -- replaced, in its place, by what is added
  local size = 0
  for j = 1, #entries, 2 do
    local i = 256 * entries[j] + entries[j + 1]
    if created[i] then
      entries[size + 1], entries[size + 2] = created[i], pks[i]
      size = size + 2
    end
  end
  if size > 0 then
    redis.call('ZADD', KEYS[key], unpack(entries, 1, size))
  end
  at = at + 1
end
for j = 1, ordered do
  local values = {}
  entries = {}
  for _, i in ipairs(inserted) do
    local sort_key = sort_keys[j][i]
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
    for from = counters[i][1], counters[i][2], CHUNK do
      local to = math.min(from + CHUNK - 1, counters[i][2])
      redis.call('HSET', base .. 'c:' .. pks[i], unpack(ARGV, from, to))
    end
    if deadlines[i] then
      redis.call('PEXPIREAT', base .. 'c:' .. pks[i], deadlines[i] - 1)
    end
  end
end
-- Several batches of a request may be run without a pause, so each of them sweeps fewer.
sweep(base, peek_expired(KEYS[2], batches_before and 5 or 30))
return (#answer > 2 or has_lifetimes) and answer or 1
