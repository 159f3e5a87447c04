-- What several scripts share; it stands before each of them.
--
-- KEYS     none of its own: a base is passed, "{prefix}:{model}:"
-- ARGV     none of its own
-- RETURNS  nothing
-- COST     O(1)
-- DERIVED  base .. "o:" .. id, base .. "c:" .. id, and the indexes that a memo
--          names. All of them carry the hash tag of the declared keys.

-- Two numbers: the server's clock in ms and in microseconds. A script asks it once: up
-- to Redis 7.0 it does not stand still inside a script, though no key expires there.
local function clock()
  local time = redis.call('TIME')
  local seconds, micros = tonumber(time[1]), tonumber(time[2])
  return seconds * 1000 + math.floor(micros / 1000), seconds * 1000000 + micros
end

-- An integer as text: `..` prints 170000000012345 as 1.7000000001234e+14.
local function digits(number)
  return string.format('%.0f', number)
end

-- The deadline that an argument says, in ms, and whether it is counted from `now`:
-- "+60000" is a lifetime, "" is nil. The last one is the last day of the year 9999.
local function deadline_from(word, now)
  if string.byte(word) == 43 then  -- "+"
    return math.min(now + tonumber(string.sub(word, 2)), 253402214400000), true
  end
  return tonumber(word), false
end

-- What to answer where a call failed: {-1, key} if the key holds another type, else the
-- failure itself, which the client gets as an error.
local function refusal(failure, key, kind)
  local found = redis.call('TYPE', key)['ok']
  return (found ~= kind and found ~= 'none') and {-1, key} or failure
end

-- What asks a key of each type for its length. TYPE costs half as much again.
local LENGTHS = {string = 'STRLEN', zset = 'ZCARD', hash = 'HLEN'}

-- The refusal for the first key from keys[first] to keys[last] that holds another type,
-- or nil. Lua does not roll back, so this comes before the first write.
local function mistyped(keys, first, last, kind)
  for i = first, last do
    local length = redis.pcall(LENGTHS[kind], keys[i])
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

-- At most `limit` ids that are due; where that cannot be read, a table with `err`.
local function peek(expires, now, limit)
  return redis.pcall('ZRANGEBYSCORE', expires, '-inf', now, 'LIMIT', 0, limit)
end

-- The same for a script that has not asked for the time: nothing expires in most models.
local function peek_now(expires, limit)
  local number = redis.pcall('ZCARD', expires)
  return number == 0 and {} or peek(expires, clock(), limit)
end

-- Creation times in microseconds are whole numbers below this: the year 2255.
local LAST_CREATED = 2 ^ 53

-- Whether a stored object is past its deadline: somebody moved its TTL. It is asked only
-- where the object is in the way.
local function is_past(expires, pk, now)
  local deadline = redis.pcall('ZSCORE', expires, pk)
  return type(deadline) == 'string' and tonumber(deadline) <= now
end

-- The creation time of the next object: later than every other in the set.
local function next_created(all, now_us)
  local last = redis.call('ZREVRANGE', all, 0, 0, 'WITHSCORES')[2]
  if last and tonumber(last) >= LAST_CREATED then  -- it is none of ours
    last = redis.call('ZREVRANGEBYSCORE', all, '(' .. digits(LAST_CREATED), '-inf',
      'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  if last and tonumber(last) >= now_us then
    return math.floor(tonumber(last)) + 1
  end
  return now_us
end

-- A number below 2^53 in `size` bytes, the most significant first.
local function bytes_of(number, size)
  local bytes = {}
  for i = size, 1, -1 do
    bytes[i] = number % 256
    number = (number - bytes[i]) / 256
  end
  return string.char(unpack(bytes))
end

-- The bytes of an object, or the end of them, with another deadline. It is the end of
-- msgpack, in eight bytes, and of JSON, where a brace follows the digits.
local function with_deadline(packed, deadline)
  local first = string.byte(packed)
  if first == 123 or first == 34 then  -- "{", and the mark before the digits
    local size = #string.match(string.sub(packed, -16), '%d+}$')
    return string.sub(packed, 1, -1 - size) .. digits(deadline) .. '}'
  end
  return string.sub(packed, 1, -9) .. bytes_of(deadline, 8)
end

-- The entry of an object in the sorted set of an ordered attribute: its sort key, its
-- creation time in seven bytes, its id, and in three bytes how long the id is.
local function entry(sort_key, created, pk)
  local moment = math.floor(tonumber(created))
  if not (moment >= 0 and moment < LAST_CREATED) then
    moment = 0  -- no entry of ours has it
  end
  return sort_key .. bytes_of(moment, 7) .. pk .. bytes_of(#pk, 3)
end

-- A memo is read so far: a client writes no longer one.
local MOST_PARTS = 16384

-- Call back with each part of a memo: each stands after a byte that is its length. Return
-- whether it was read to its end, whole.
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

-- Take one id out of every index that its memo names: terms ("t:home"; `drop` is called
-- with them), ordered attributes ("by:age"), unique ones ("u:email", and the value).
-- Return how many parts the memo has.
-- pcall: nobody checked these keys, and one that somebody gave another type holds no
-- entry of ours.
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

-- Take one id out of every index that its memo names, now.
local function forget(base, pk, memo, created)
  unindex(base, pk, memo, created, function(suffix)
    redis.pcall('ZREM', base .. suffix, pk)
  end)
end

-- The refusal for a key that sweep() needs for what peek() found; or nil. This comes before
-- the first write of a script.
local function unsweepable(base, expires, due)
  if due['err'] then
    return refusal(due, expires, 'zset')
  elseif #due > 0 then
    local all, memos = base .. 'all', base .. 'idx'
    return mistyped({all}, 1, 1, 'zset') or mistyped({memos}, 1, 1, 'hash')
  end
end

-- Objects count twice and their index entries once: some 4 us each, so that a sweep
-- holds the server for less than two ms.
local MOST_SWEPT = 400

-- Remove the first of these objects, which are due, with all their entries, as many as
-- MOST_SWEPT allows; how many.
local function sweep(base, due)
  if #due == 0 then
    return 0
  end
  local memos = base .. 'idx'
  local keys, gone, suffixes = {}, {}, {}
  local known = redis.call('HMGET', memos, unpack(due))
  local created = redis.call('ZMSCORE', base .. 'all', unpack(due))
  local work = 0
  for i, pk in ipairs(due) do
    if work >= MOST_SWEPT then
      due = {unpack(due, 1, i - 1)}
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
        if pks[#pks] ~= pk then  -- a memo may name a term twice, if it is none of ours
          pks[#pks + 1] = pk
        end
      end)
    end
  end
  redis.call('UNLINK', unpack(keys))
  for _, suffix in ipairs(suffixes) do
    redis.pcall('ZREM', base .. suffix, unpack(gone[suffix]))
  end
  redis.call('ZREM', base .. 'all', unpack(due))
  redis.call('HDEL', memos, unpack(due))
  redis.call('ZREM', base .. 'expires', unpack(due))
  return #due
end
