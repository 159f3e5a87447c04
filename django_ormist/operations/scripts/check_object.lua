-- Compare one object with its index entries, and repair the differences.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)  6.. sorted sets of the terms it carries;
--          then of each ordered attribute the entries (sorted set) and the sort keys
--          (hash); then the values of each unique one (hash); then the key of each
--          entry that was seen
-- ARGV     1 id  2 the bytes that must be stored now
--          3 their state: "object", "unreadable" or "none"  4 "1" to repair
--          5 deadline in ms, "" for none  6 memo, "" for none
--          7 number of terms  8 of ordered attributes  9 of unique ones
--          10 of declared counters  11 for how many ms a quarantined key is kept
--          12.. a sort key for each ordered attribute, a value for each unique one, ""
--          for none; the counters' names; then of each entry that was seen and that
--          these bytes do not explain: "member" (of a sorted set) or "value" (of a hash,
--          held by this id), and the member or the value
-- RETURNS  {1, fault, ...}: each {kind, key, 1 if repaired else 0, detail or ""}
--          {0, stored} the stored bytes are others (false: none are stored)
--          TRYAGAIN keys of this slot are moving: nothing was compared
-- COST     O(entries log n)
-- DERIVED  the entries in the memo; the object that holds a unique value; the key under
--          "lost:" to which an unreadable object is moved

-- A key that MIGRATE or RESTORE has moved lives longer by the time of its transfer.
local LATE_MS = 1000
local TTL_SLACK_MS = 20

local pk, packed, state, is_repairing = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local deadline, memo = tonumber(ARGV[5]), ARGV[6]
local terms, ordered = tonumber(ARGV[7]), tonumber(ARGV[8])
local uniques, declared = tonumber(ARGV[9]), tonumber(ARGV[10])
local kept_ms = tonumber(ARGV[11])
local first_sort_key = 12
local first_value = first_sort_key + ordered
local first_counter = first_value + uniques
local first_entry = first_counter + declared

local base = string.sub(KEYS[2], 1, -4)
local first_ordered = 6 + terms
local first_unique = first_ordered + 2 * ordered
local first_seen = first_unique + uniques
if is_moving(base) then
  return TRY_AGAIN
end
local now, now_us = clock()
local found = {1}

local function report(kind, key, detail, is_left)
  found[#found + 1] = {kind, key, (is_repairing and not is_left) and 1 or 0, detail or ''}
end

local function repair(...)
  if is_repairing then
    redis.call(...)
  end
end

-- INCLUDE quarantine_key

local function quarantine(key)
  if is_repairing then
    local brace = string.find(base, '{', 1, true)
    quarantine_key(key, string.sub(key, 1, brace - 1) .. 'lost:' .. string.sub(key, brace))
  end
end

-- Return the reply of a read. A key of another type is quarantined, and gives false.
local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply['err'] then
    report('mistyped-key', key)
    quarantine(key)
    return false
  end
  return reply
end

local function is_whole(number)
  return number and number >= 0 and number < 2 ^ 53 and number == math.floor(number)
end

local function is_free(moment)
  return redis.call('ZCOUNT', KEYS[2], digits(moment), digits(moment)) == 0
end

local function parts_of(text)
  local parts = {}
  each_part(text, function(part)
    parts[#parts + 1] = part
  end)
  return parts
end

local function is_same_memo(one, other)
  if one == other then
    return true
  end
  local mine, theirs = parts_of(one), parts_of(other)
  table.sort(mine)
  table.sort(theirs)
  return table.concat(mine, '\0') == table.concat(theirs, '\0')
end

local function check_ttl(key)
  -- The expiration time; before Redis 7.0 it can only be computed from the clock.
  local at, slack = redis.pcall('PEXPIRETIME', key), 0
  if type(at) == 'table' then
    local ttl = redis.call('PTTL', key)
    at, slack = ttl < 0 and ttl or now + ttl, TTL_SLACK_MS
  end
  if not deadline then
    if at >= 0 then
      report('wrong-ttl', key)
      repair('PERSIST', key)
    end
  elseif at < 0 or at + 1 - deadline > LATE_MS or deadline - at - 1 > slack then
    report('wrong-ttl', key)
    repair('PEXPIREAT', key, digits(deadline - 1))
  end
end

local stored = read('GET', KEYS[1])
if (state == 'none') == (stored ~= false) or (stored and stored ~= packed) then
  return {0, stored}
end
local created = tonumber(read('ZSCORE', KEYS[2], pk) or nil)
local kept_deadline = tonumber(read('ZSCORE', KEYS[3], pk) or nil)
local kept_memo = read('HGET', KEYS[4], pk) or ''

-- Report the seen entries that are not expected. expected: {key and member = true}
local function check_seen(expected)
  local at = first_entry
  for i = first_seen, #KEYS do
    local kind, member = ARGV[at], ARGV[at + 1]
    at = at + 2
    if expected[KEYS[i] .. '\0' .. member] then
      -- it became right meanwhile, or is of an expired object
    elseif kind == 'member' then
      if read('ZSCORE', KEYS[i], member) then
        report('surplus-entry', KEYS[i])
        repair('ZREM', KEYS[i], member)
      end
    elseif read('HGET', KEYS[i], member) == pk then
      report('surplus-value', KEYS[i], member)
      repair('HDEL', KEYS[i], member)
    end
  end
end

-- Return the entries in the memo of an expired object, which are swept with it.
local function explained_entries()
  local expected, name = {}, nil
  each_part(kept_memo, function(part)
    local kind = string.sub(part, 1, 2)
    if name then
      expected[base .. name .. '\0' .. part] = true
      name = nil
    elseif kind == 'u:' then
      name = part
    elseif kind == 'by' then
      local sort_key = read('HGET', base .. 'of:' .. string.sub(part, 4), pk)
      if sort_key and is_whole(created) then
        expected[base .. part .. '\0' .. entry(sort_key, created, pk)] = true
      end
    else
      expected[base .. part .. '\0' .. pk] = true
    end
  end)
  return expected
end

local function is_sound_memo(text)
  local is_known, is_value = true, false
  local is_whole = each_part(text, function(part)
    if is_value then
      is_value = false
      return
    end
    local kind = string.sub(part, 1, 2)
    is_value = kind == 'u:'
    is_known = is_known and (is_value or kind == 't:' or kind == 'h:'
      or string.sub(part, 1, 3) == 'by:')
  end)
  return is_whole and is_known and not is_value
end

-- Check that no entry names an object that does not exist, unless it is to be swept.
local function check_nothing()
  local is_expired = created and kept_deadline and kept_deadline <= now
  if is_expired and is_sound_memo(kept_memo) then
    check_seen(explained_entries())
    return
  end
  local has_counters = redis.call('EXISTS', KEYS[5]) == 1
  if is_expired then
    report('wrong-memo', KEYS[4])
  elseif created then
    report('missing-object', KEYS[1])
  else
    if kept_deadline then
      report('wrong-deadline', KEYS[3])
    end
    if kept_memo ~= '' then
      report('wrong-memo', KEYS[4])
    end
    if has_counters then
      report('surplus-counter', KEYS[5])
    end
  end
  if is_repairing and kept_memo ~= '' then
    purge(base, pk, kept_memo, is_whole(created) and created or nil)
  end
  for i = first_ordered, first_unique - 1, 2 do
    local sort_key = read('HGET', KEYS[i + 1], pk)
    if sort_key then
      if not created then
        report('wrong-sort-key', KEYS[i + 1])
      end
      if is_whole(created) then
        repair('ZREM', KEYS[i], entry(sort_key, created, pk))
      end
      repair('HDEL', KEYS[i + 1], pk)
    end
  end
  check_seen({})
  repair('ZREM', KEYS[2], pk)
  repair('ZREM', KEYS[3], pk)
  repair('HDEL', KEYS[4], pk)
  repair('DEL', KEYS[5])
end

-- Return the creation time: the score in `all`, if no other object has it; else the score
-- in one of its terms; else a new one.
local function resolve_created()
  if is_whole(created) and redis.call('ZCOUNT', KEYS[2], digits(created),
    digits(created)) == 1 then
    return created
  end
  report(created and 'wrong-creation' or 'unlisted-object', KEYS[2])
  local true_created
  for i = 6, 5 + terms do
    local score = tonumber(read('ZSCORE', KEYS[i], pk) or nil)
    if is_whole(score) and is_free(score) then
      true_created = score
      break
    end
  end
  for step = 1, is_whole(created) and 1000 or 0 do
    true_created = true_created or (is_free(created + step) and created + step)
  end
  true_created = true_created or tonumber(next_created(KEYS[2], now_us))
  repair('ZADD', KEYS[2], digits(true_created), pk)
  return true_created
end

local function check_ordered(true_created, expected)
  for j = 0, ordered - 1 do
    local entries, sort_keys = KEYS[first_ordered + 2 * j], KEYS[first_ordered + 2 * j + 1]
    local sort_key = ARGV[first_sort_key + j]
    local was = read('HGET', sort_keys, pk) or ''
    if was ~= '' and is_whole(created) and (was ~= sort_key or created ~= true_created) then
      read('ZSCORE', entries, '')
      repair('ZREM', entries, entry(was, created, pk))
    end
    if was ~= sort_key then
      report('wrong-sort-key', sort_keys)
      repair('HDEL', sort_keys, pk)
    end
    if sort_key ~= '' then
      local expected_entry = entry(sort_key, true_created, pk)
      expected[entries .. '\0' .. expected_entry] = true
      local score = read('ZSCORE', entries, expected_entry)
      if tonumber(score or nil) ~= 0 then
        if created == true_created then
          report(score and 'wrong-score' or 'missing-entry', entries)
        end
        repair('ZADD', entries, 0, expected_entry)
      end
      if was ~= sort_key then
        repair('HSET', sort_keys, pk, sort_key)
      end
    end
  end
end

local function check_unique(expected)
  for j = 0, uniques - 1 do
    local key, value = KEYS[first_unique + j], ARGV[first_value + j]
    expected[key .. '\0' .. value] = true
    local holder = value ~= '' and read('HGET', key, value)
    if value ~= '' and holder ~= pk then
      if holder and redis.call('EXISTS', base .. 'o:' .. holder) == 1 then
        report('duplicate-value', key, holder, true)
      else
        report(holder and 'wrong-owner' or 'missing-value', key, holder)
        repair('HSET', key, value, pk)
      end
    end
  end
end

local function check_counters()
  local flat, names = read('HGETALL', KEYS[5]) or {}, {}
  for i = first_counter, first_entry - 1 do
    names[ARGV[i]] = true
  end
  for i = 1, #flat, 2 do
    if not names[flat[i]] then
      report('surplus-counter', KEYS[5], flat[i])
      repair('HDEL', KEYS[5], flat[i])
    elseif #flat[i + 1] > 20 or not string.find(flat[i + 1], '^%-?%d+$') then
      report('wrong-counter', KEYS[5], flat[i])
      repair('HDEL', KEYS[5], flat[i])
    end
  end
  if #flat > 0 and redis.call('EXISTS', KEYS[5]) == 1 then
    check_ttl(KEYS[5])
  end
end

local function check_object()
  local true_created, expected = resolve_created(), {}
  for i = 6, 5 + terms do
    local score = tonumber(read('ZSCORE', KEYS[i], pk) or nil)
    expected[KEYS[i] .. '\0' .. pk] = true
    if score ~= true_created then
      if created == true_created then
        report(score and 'wrong-score' or 'missing-entry', KEYS[i])
      end
      repair('ZADD', KEYS[i], digits(true_created), pk)
    end
  end
  check_ordered(true_created, expected)
  check_unique(expected)
  check_seen(expected)
  if kept_deadline ~= deadline then
    report('wrong-deadline', KEYS[3])
    if deadline then
      repair('ZADD', KEYS[3], digits(deadline), pk)
    else
      repair('ZREM', KEYS[3], pk)
    end
  end
  if not is_same_memo(kept_memo, memo) then
    report('wrong-memo', KEYS[4])
    if memo ~= '' then
      repair('HSET', KEYS[4], pk, memo)
    else
      repair('HDEL', KEYS[4], pk)
    end
  end
  check_counters()
  check_ttl(KEYS[1])
end

if state == 'unreadable' then
  report('unreadable-object', KEYS[1])
  if not is_repairing then
    return found
  end
  quarantine(KEYS[1])
end
if state == 'object' then
  check_object()
else
  check_nothing()
end
return found
