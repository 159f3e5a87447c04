-- Compare one object with everything that the index says of it; mend what differs.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)  6.. sorted sets of the terms it carries;
--          then of each ordered attribute the entries (sorted set) and the sort keys
--          (hash); then the values of each unique one (hash); then the key of each
--          entry that was seen
-- ARGV     1 id  2 the bytes that must be stored now
--          3 what they are: "object", "unreadable" or "none"  4 "1" to mend
--          5 deadline in ms, "" for none  6 memo, "" for none
--          7 number of terms  8 of ordered attributes  9 of unique ones
--          10 of declared counters  11 for how many ms what is put aside is kept
--          12.. a sort key for each ordered attribute, a value for each unique one, ""
--          for none; the counters' names; then of each entry that was seen and that
--          these bytes do not explain: "member" (of a sorted set) or "value" (of a hash,
--          held by this id), and the member or the value
-- RETURNS  {1, fault, ...}: each {kind, key, 1 if mended else 0, detail or ""}
--          {0, stored} the stored bytes are others (false: none are stored)
-- COST     O(entries log n)
-- DERIVED  what a memo names; the object that holds a unique value; the key under
--          "lost:" to which what cannot be read is moved

local TTL_SLACK_MS = 20

local base = string.sub(KEYS[2], 1, -4)
local pk, state, mends = ARGV[1], ARGV[3], ARGV[4] == '1'
local deadline, memo = tonumber(ARGV[5]), ARGV[6]
local terms, ordered = tonumber(ARGV[7]), tonumber(ARGV[8])
local uniques, declared = tonumber(ARGV[9]), tonumber(ARGV[10])
local kept_ms = tonumber(ARGV[11])
local first_ordered = 6 + terms
local first_unique = first_ordered + 2 * ordered
local first_seen = first_unique + uniques
local now, now_us = clock()
local found = {1}

local function say(kind, key, detail, is_left)
  found[#found + 1] = {kind, key, (mends and not is_left) and 1 or 0, detail or ''}
end

local function mend(...)
  if mends then
    redis.call(...)
  end
end

-- INCLUDE quarantine_key

local function lose(key)
  if mends then
    local brace = string.find(base, '{', 1, true)
    put_aside(key, string.sub(key, 1, brace - 1) .. 'lost:' .. string.sub(key, brace))
  end
end

-- What a read answers; a key of another type is put aside and answers nothing.
local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply['err'] then
    say('mistyped-key', key)
    lose(key)
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
  -- The moment itself; before Redis 7.0 it can only be reckoned from the clock.
  local at, slack = redis.pcall('PEXPIRETIME', key), 0
  if type(at) == 'table' then
    local ttl = redis.call('PTTL', key)
    at, slack = ttl < 0 and ttl or now + ttl, TTL_SLACK_MS
  end
  if not deadline then
    if at >= 0 then
      say('wrong-ttl', key)
      mend('PERSIST', key)
    end
  elseif at < 0 or math.abs(at + 1 - deadline) > slack then
    say('wrong-ttl', key)
    mend('PEXPIREAT', key, digits(deadline - 1))
  end
end

local stored = read('GET', KEYS[1])
if (state == 'none') == (stored ~= false) or (stored and stored ~= ARGV[2]) then
  return {0, stored}
end
local created = tonumber(read('ZSCORE', KEYS[2], pk) or nil)
local kept_deadline = tonumber(read('ZSCORE', KEYS[3], pk) or nil)
local kept_memo = read('HGET', KEYS[4], pk) or ''

-- The entries that were seen and that nothing explains. rights: {member = true}
local function check_seen(rights)
  local at = 12 + ordered + uniques + declared
  for i = first_seen, #KEYS do
    local what, member = ARGV[at], ARGV[at + 1]
    at = at + 2
    if rights[KEYS[i] .. '\0' .. member] then
      -- it became right meanwhile, or is of an object that is due
    elseif what == 'member' then
      if read('ZSCORE', KEYS[i], member) then
        say('surplus-entry', KEYS[i])
        mend('ZREM', KEYS[i], member)
      end
    elseif read('HGET', KEYS[i], member) == pk then
      say('surplus-value', KEYS[i], member)
      mend('HDEL', KEYS[i], member)
    end
  end
end

-- What the memo of a due object explains: it is swept with the object.
local function explained()
  local rights, name = {}, nil
  each_part(kept_memo, function(part)
    local kind = string.sub(part, 1, 2)
    if name then
      rights[base .. name .. '\0' .. part] = true
      name = nil
    elseif kind == 'u:' then
      name = part
    elseif kind == 'by' then
      local sort_key = read('HGET', base .. 'of:' .. string.sub(part, 4), pk)
      if sort_key and is_whole(created) then
        rights[base .. part .. '\0' .. entry(sort_key, created, pk)] = true
      end
    else
      rights[base .. part .. '\0' .. pk] = true
    end
  end)
  return rights
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

-- There is no object: nothing may name it, unless it is due and will be swept.
local function check_nothing()
  local is_due = created and kept_deadline and kept_deadline <= now
  if is_due and is_sound_memo(kept_memo) then
    check_seen(explained())
    return
  end
  local has_counters = redis.call('EXISTS', KEYS[5]) == 1
  if is_due then
    say('wrong-memo', KEYS[4])
  elseif created then
    say('missing-object', KEYS[1])
  else
    if kept_deadline then
      say('wrong-deadline', KEYS[3])
    end
    if kept_memo ~= '' then
      say('wrong-memo', KEYS[4])
    end
    if has_counters then
      say('surplus-counter', KEYS[5])
    end
  end
  if mends and kept_memo ~= '' then
    forget(base, pk, kept_memo, is_whole(created) and created or nil)
  end
  for i = first_ordered, first_unique - 1, 2 do
    local sort_key = read('HGET', KEYS[i + 1], pk)
    if sort_key then
      if not created then
        say('wrong-sort-key', KEYS[i + 1])
      end
      if is_whole(created) then
        mend('ZREM', KEYS[i], entry(sort_key, created, pk))
      end
      mend('HDEL', KEYS[i + 1], pk)
    end
  end
  check_seen({})
  mend('ZREM', KEYS[2], pk)
  mend('ZREM', KEYS[3], pk)
  mend('HDEL', KEYS[4], pk)
  mend('DEL', KEYS[5])
end

-- Its place in the order of creation: what all says, if no other has that; else what
-- its terms remember; else the end.
local function creation()
  if is_whole(created) and redis.call('ZCOUNT', KEYS[2], digits(created),
    digits(created)) == 1 then
    return created
  end
  say(created and 'wrong-creation' or 'unlisted-object', KEYS[2])
  local right
  for i = 6, 5 + terms do
    local score = tonumber(read('ZSCORE', KEYS[i], pk) or nil)
    if is_whole(score) and is_free(score) then
      right = score
      break
    end
  end
  for step = 1, is_whole(created) and 1000 or 0 do
    right = right or (is_free(created + step) and created + step)
  end
  right = right or tonumber(next_created(KEYS[2], now_us))
  mend('ZADD', KEYS[2], digits(right), pk)
  return right
end

local function check_ordered(right, rights)
  for j = 0, ordered - 1 do
    local entries, sort_keys = KEYS[first_ordered + 2 * j], KEYS[first_ordered + 2 * j + 1]
    local sort_key = ARGV[12 + j]
    local was = read('HGET', sort_keys, pk) or ''
    if was ~= '' and is_whole(created) and (was ~= sort_key or created ~= right) then
      read('ZSCORE', entries, '')
      mend('ZREM', entries, entry(was, created, pk))
    end
    if was ~= sort_key then
      say('wrong-sort-key', sort_keys)
      mend('HDEL', sort_keys, pk)
    end
    if sort_key ~= '' then
      local wanted = entry(sort_key, right, pk)
      rights[entries .. '\0' .. wanted] = true
      local score = read('ZSCORE', entries, wanted)
      if tonumber(score or nil) ~= 0 then
        if created == right then
          say(score and 'wrong-score' or 'missing-entry', entries)
        end
        mend('ZADD', entries, 0, wanted)
      end
      if was ~= sort_key then
        mend('HSET', sort_keys, pk, sort_key)
      end
    end
  end
end

local function check_unique(rights)
  for j = 0, uniques - 1 do
    local key, value = KEYS[first_unique + j], ARGV[12 + ordered + j]
    rights[key .. '\0' .. value] = true
    local holder = value ~= '' and read('HGET', key, value)
    if value ~= '' and holder ~= pk then
      if holder and redis.call('EXISTS', base .. 'o:' .. holder) == 1 then
        say('duplicate-value', key, holder, true)
      else
        say(holder and 'wrong-owner' or 'missing-value', key, holder)
        mend('HSET', key, value, pk)
      end
    end
  end
end

local function check_counters()
  local flat, names = read('HGETALL', KEYS[5]) or {}, {}
  for i = 1, declared do
    names[ARGV[11 + ordered + uniques + i]] = true
  end
  for i = 1, #flat, 2 do
    if not names[flat[i]] then
      say('surplus-counter', KEYS[5], flat[i])
      mend('HDEL', KEYS[5], flat[i])
    elseif #flat[i + 1] > 20 or not string.find(flat[i + 1], '^%-?%d+$') then
      say('wrong-counter', KEYS[5], flat[i])
      mend('HDEL', KEYS[5], flat[i])
    end
  end
  if #flat > 0 and redis.call('EXISTS', KEYS[5]) == 1 then
    check_ttl(KEYS[5])
  end
end

local function check_object()
  local right, rights = creation(), {}
  for i = 6, 5 + terms do
    local score = tonumber(read('ZSCORE', KEYS[i], pk) or nil)
    rights[KEYS[i] .. '\0' .. pk] = true
    if score ~= right then
      if created == right then
        say(score and 'wrong-score' or 'missing-entry', KEYS[i])
      end
      mend('ZADD', KEYS[i], digits(right), pk)
    end
  end
  check_ordered(right, rights)
  check_unique(rights)
  check_seen(rights)
  if kept_deadline ~= deadline then
    say('wrong-deadline', KEYS[3])
    if deadline then
      mend('ZADD', KEYS[3], digits(deadline), pk)
    else
      mend('ZREM', KEYS[3], pk)
    end
  end
  if not is_same_memo(kept_memo, memo) then
    say('wrong-memo', KEYS[4])
    if memo ~= '' then
      mend('HSET', KEYS[4], pk, memo)
    else
      mend('HDEL', KEYS[4], pk)
    end
  end
  check_counters()
  check_ttl(KEYS[1])
end

if state == 'unreadable' then
  say('unreadable-object', KEYS[1])
  if not mends then
    return found
  end
  lose(KEYS[1])
end
if state == 'object' then
  check_object()
else
  check_nothing()
end
return found
