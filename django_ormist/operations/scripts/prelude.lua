-- Share functions among the scripts; each gets those that it uses.
--
-- KEYS     none of its own: a base is passed, "{prefix}:{model}:"
-- ARGV     none of its own
-- RETURNS  nothing
-- COST     O(1)
-- DERIVED  base .. "o:" .. id, base .. "c:" .. id, and the indexes that a memo
--          names; base .. "?" and base .. "!", which never exist. All of them carry the
--          hash tag of the declared keys.

-- Return the server's clock in ms and in microseconds. A script reads it once: up to
-- Redis 7.0 it runs on during a script, though no key expires there.
local clock_ms, clock_us
local function clock()
  if not clock_ms then
    local time = redis.call('TIME')
    -- Arithmetic converts a text in a third of the time of tonumber().
    clock_us = time[1] * 1000000 + time[2]
    clock_ms = (clock_us - clock_us % 1000) / 1000
  end
  return clock_ms, clock_us
end

-- Return an integer as text: `..` prints 170000000012345 as 1.7000000001234e+14.
local function digits(number)
  return string.format('%.0f', number)
end

-- Return the deadline of an argument, in ms, and whether it counts from now: "+60000" is
-- a lifetime, "" is nil. The last one is the last day of the year 9999.
local function deadline_from(word, now)
  if string.byte(word) == 43 then  -- "+"
    return math.min(now + tonumber(string.sub(word, 2)), 253402214400000), true
  end
  return tonumber(word), false
end

-- Return the answer for a call that failed: {-1, key} if the key holds another type, else
-- the failure itself, which the client gets as an error.
local function refusal(failure, key, kind)
  local found = redis.call('TYPE', key)['ok']
  return (found ~= kind and found ~= 'none') and {-1, key} or failure
end

-- The answer of a script that has written nothing, to be sent again after a pause.
local TRY_AGAIN = {err = 'TRYAGAIN Keys of this slot are moving between two nodes'}

-- Whether keys of this slot are moving between two nodes of a Cluster. A key that is not on
-- this node may be on the other: a command on it fails on the node that loses the slot, and
-- finds nothing on the one that gets it, unless it has several keys. So this comes before
-- the first write to a key that is not declared, or that may be empty by then. No key has
-- these names.
local function is_moving(base)
  return type(redis.pcall('EXISTS', base .. '?', base .. '!')) == 'table'
end

-- The same for a script that does not write: fail if a missing key may be on the other node.
local function require_all_here(base)
  redis.call('EXISTS', base .. '?', base .. '!')
end

-- Return the refusal for the first key from keys[first] to keys[last] that holds another
-- type, or nil. Lua does not roll back, so this comes before the first write.
local function mistyped(keys, first, last, kind)
  -- TYPE costs half as much again.
  local command = kind == 'zset' and 'ZCARD' or kind == 'hash' and 'HLEN' or 'STRLEN'
  for i = first, last do
    local length = redis.pcall(command, keys[i])
    if type(length) == 'table' then
      return refusal(length, keys[i], kind)
    end
  end
end

-- The same for `pairs_of` ordered attributes, whose keys begin at keys[first].
local function mistyped_ordered(keys, first, pairs_of)
  for i = first, first + 2 * pairs_of - 1, 2 do
    local wrong = mistyped(keys, i, i, 'zset') or mistyped(keys, i + 1, i + 1, 'hash')
    if wrong then
      return wrong
    end
  end
end

-- Return at most `limit` expired ids, or nil if there are none. That is found out in fewer
-- calls, and without the clock where nothing expires. If the key holds another type, return
-- a table with `err`. A write sweeps three by default: some fifty writes that arrive
-- together are run without a pause.
local function peek_expired(expires, limit)
  if (clock_ms or redis.pcall('ZCARD', expires) ~= 0)
    and redis.pcall('ZCOUNT', expires, '-inf', (clock())) ~= 0 then
    return redis.pcall('ZRANGEBYSCORE', expires, '-inf', clock_ms, 'LIMIT', 0, limit or 3)
  end
end

-- Creation times in microseconds are integers below this: the year 2255.
local LAST_CREATED = 2 ^ 53

-- Whether a stored object is past its deadline because its TTL was moved by hand. Called
-- only where the object is in the way.
local function is_past(expires, pk)
  local deadline = redis.pcall('ZSCORE', expires, pk)
  return type(deadline) == 'string' and tonumber(deadline) <= clock()
end

-- Return the creation time of the next object: later than every other in the set.
local function next_created(all, now_us)
  local last = redis.call('ZREVRANGE', all, 0, 0, 'WITHSCORES')[2]
  if last and tonumber(last) >= LAST_CREATED then  -- not written by us
    last = redis.call('ZREVRANGEBYSCORE', all, '(' .. digits(LAST_CREATED), '-inf',
      'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  if last and tonumber(last) >= now_us then
    return math.floor(tonumber(last)) + 1
  end
  return now_us
end

-- Return a number below 2^53 in seven bytes, the most significant first. Without calls of
-- functions, except the last, it takes two thirds of the time.
local function seven_bytes(number)
  local seventh = number % 256
  number = (number - seventh) / 256
  local sixth = number % 256
  number = (number - sixth) / 256
  local fifth = number % 256
  number = (number - fifth) / 256
  local fourth = number % 256
  number = (number - fourth) / 256
  local third = number % 256
  number = (number - third) / 256
  local second = number % 256
  return string.char((number - second) / 256, second, third, fourth, fifth, sixth, seventh)
end

-- Return the bytes of an object, or their end, with another deadline. It is the last eight
-- bytes of msgpack, and the last digits of JSON, before a brace.
local function with_deadline(packed, deadline)
  local first = string.byte(packed)
  if first == 123 or first == 34 then  -- "{", and the mark before the digits
    local size = #string.match(string.sub(packed, -16), '%d+}$')
    return string.sub(packed, 1, -1 - size) .. string.format('%.0f}', deadline)
  end
  return string.sub(packed, 1, -9) .. '\0' .. seven_bytes(deadline)
end

-- Return the entry of an object in the sorted set of an ordered attribute: its sort key,
-- its creation time in seven bytes, its id, and the length of the id in three bytes.
local function entry(sort_key, created, pk)
  local moment = math.floor(tonumber(created))
  if not (moment >= 0 and moment < LAST_CREATED) then
    moment = 0  -- not the time of any entry of ours
  end
  local low = #pk % 65536
  local size = string.char((#pk - low) / 65536, (low - low % 256) / 256, low % 256)
  return sort_key .. seven_bytes(moment) .. pk .. size
end

-- Return the id and the sort key of an entry of an ordered attribute.
local function split_entry(whole)
  local a, b, c = string.byte(whole, -3, -1)
  local first = #whole - 2 - (a * 65536 + b * 256 + c)
  return string.sub(whole, first, -4), string.sub(whole, 1, first - 8)
end

-- Return the reply with a page of these ids, and with their objects if these are wanted. nil:
-- one of them is missing.
local function complete_page(base, ids, want)
  if want == 'ids' then
    return {ids}
  elseif #ids == 0 then
    return {ids, ids}
  end
  local keys, prefix = {}, base .. 'o:'
  for i = 1, #ids do
    keys[i] = prefix .. ids[i]
  end
  local objects, found = redis.call('MGET', unpack(keys)), 0
  while objects[found + 1] do
    found = found + 1
  end
  return found == #ids and {ids, objects} or nil
end

-- The most parts of a memo that are read. Clients do not write more.
local MOST_PARTS = 16384

-- Call `visit` with each part of a memo: each follows a byte that is its length. Return
-- whether the memo was read completely.
local function each_part(memo, visit)
  local at, parts = 1, 0
  while at <= #memo and parts < MOST_PARTS do
    local size = string.byte(memo, at)
    visit(string.sub(memo, at + 1, at + size))
    at = at + size + 1
    parts = parts + 1
  end
  return at == #memo + 1
end

-- Free a unique value, if this object holds it.
local function release(key, field, pk)
  if redis.pcall('HGET', key, field) == pk then
    redis.pcall('HDEL', key, field)
  end
end

-- Remove one id from every index that its memo names: terms ("t:home"; `drop` is called
-- with them), ordered attributes ("by:age"), unique ones ("u:email", and the value).
-- Return how many parts the memo has.
-- pcall: these keys were not checked, and one that was given another type by hand holds no
-- entry of ours. Not called while keys are moving.
local function unindex(base, pk, memo, created, drop)
  local unique, parts = nil, 0
  each_part(memo, function(part)
    parts = parts + 1
    local kind = string.sub(part, 1, 2)
    if unique then
      release(base .. unique, part, pk)
      unique = nil
    elseif kind == 'u:' then
      unique = part
    elseif kind == 'by' then
      local sort_keys = base .. 'of:' .. string.sub(part, 4)
      local sort_key = redis.pcall('HGET', sort_keys, pk)
      if type(sort_key) == 'string' and created then
        redis.pcall('ZREM', base .. part, entry(sort_key, created, pk))
        redis.pcall('HDEL', sort_keys, pk)
      end
    else
      drop(part)
    end
  end)
  return parts
end

-- Remove one id from every index that its memo names, now.
local function purge(base, pk, memo, created)
  unindex(base, pk, memo, created, function(suffix)
    redis.pcall('ZREM', base .. suffix, pk)
  end)
end

-- Return the refusal for a key that sweep() needs for these ids, or nil. Called before the
-- first write of a script.
local function unsweepable(base, expires, expired)
  if expired['err'] then
    return refusal(expired, expires, 'zset')
  elseif not is_moving(base) then
    local all, memos = base .. 'all', base .. 'idx'
    return mistyped({all}, 1, 1, 'zset') or mistyped({memos}, 1, 1, 'hash')
  end
end

-- Objects count twice and their index entries once: some 5 us each, and up to 40 among a
-- million objects, so that a sweep holds the server for one to five ms.
local MOST_SWEPT = 100

-- Remove the first of these expired objects, if any, with all their entries, as many as
-- MOST_SWEPT allows. Return how many: none while keys are moving.
local function sweep(base, expired)
  if not expired or is_moving(base) then
    return 0
  end
  local memos = base .. 'idx'
  local keys, gone, suffixes = {}, {}, {}
  local known = redis.call('HMGET', memos, unpack(expired))
  local created = redis.call('ZMSCORE', base .. 'all', unpack(expired))
  local work = 0
  for i, pk in ipairs(expired) do
    if work >= MOST_SWEPT then
      expired = {unpack(expired, 1, i - 1)}
      break
    end
    keys[2 * i - 1], keys[2 * i] = base .. 'o:' .. pk, base .. 'c:' .. pk
    work = work + 2
    if known[i] then
      work = work + unindex(base, pk, known[i], created[i], function(suffix)
        local pks = gone[suffix]
        if not pks then
          pks = {}
          gone[suffix] = pks
          suffixes[#suffixes + 1] = suffix
        end
        if pks[#pks] ~= pk then  -- a foreign memo may name a term twice
          pks[#pks + 1] = pk
        end
      end)
    end
  end
  redis.call('UNLINK', unpack(keys))
  for _, suffix in ipairs(suffixes) do
    redis.pcall('ZREM', base .. suffix, unpack(gone[suffix]))
  end
  redis.call('ZREM', base .. 'all', unpack(expired))
  redis.call('HDEL', memos, unpack(expired))
  redis.call('ZREM', base .. 'expires', unpack(expired))
  return #expired
end
