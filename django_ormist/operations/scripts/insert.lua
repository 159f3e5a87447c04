-- Write a new object, if nothing is in its way: save.lua includes it.
--
-- KEYS     those of save.lua
-- ARGV     those of save.lua
-- RETURNS  1 or now as save.lua; else nothing is written, and save.lua goes on
-- COST     O(entries log n): half the time of the rest of save.lua
--
-- Nothing is read that the writes find out: whether the id or a value is taken, whether a
-- key holds another type. If so, what was written is removed again.

local pk, packed, memo = ARGV[1], ARGV[3], ARGV[6] or ''
local first_ordered, first_unique, first_value = #KEYS + 1, #KEYS + 1, 11
if ARGV[8] then  -- arithmetic makes a number of a text, faster than tonumber()
  first_unique = first_unique - ARGV[9]
  first_ordered = first_unique - 2 * ARGV[8]
  first_value = 11 + ARGV[8]
end

local now, created = clock()
local deadline, is_lifetime
if ARGV[4] ~= '' then
  -- DEFINE deadline_from
  deadline, is_lifetime = deadline_from(ARGV[4], now)
end
local is_free = not (deadline and deadline <= now
  or (deadline or redis.pcall('ZCARD', KEYS[3]) ~= 0)
  and redis.pcall('ZCOUNT', KEYS[3], '-inf', now) ~= 0  -- some are to be swept
  or redis.pcall('ZCOUNT', KEYS[2], created, '+inf') ~= 0  -- the clock went back
  or string.find(ARGV[5], 'c', 1, true)
  and (ARGV[first_value + 2 * (#KEYS + 1 - first_unique)]
    or redis.pcall('HLEN', KEYS[5]) ~= 0))

-- Out of memory, the first write of a script is refused, and no later one.
if is_free and deadline then
  if is_lifetime then
    -- DEFINE with_deadline
    packed = with_deadline(packed, deadline)
  end
  -- One ms early: a server keeps a key through the last ms, ours ends as it begins.
  is_free = redis.call('SET', KEYS[1], packed, 'NX', 'PXAT', deadline - 1)
elseif is_free then
  is_free = redis.call('SET', KEYS[1], packed, 'NX')
end
if is_free and redis.call('ZADD', KEYS[2], 'NX', created, pk) == 0 then
  is_free = false  -- entries are left of an object that is gone
  redis.call('DEL', KEYS[1])
end
if is_free then
  -- An entry of this id that is left is in the way, too: each write must add one.
  local is_done, i = true, 6
  if memo ~= '' then
    is_done = type(redis.pcall('HSET', KEYS[4], pk, memo)) == 'number'
  end
  while is_done and i < first_ordered do
    is_done = redis.pcall('ZADD', KEYS[i], created, pk) == 1
    i = i + 1
  end
  while is_done and i < first_unique do
    -- DEFINE entry
    local sort_key = ARGV[11 + (i - first_ordered) / 2]
    is_done = redis.pcall('ZADD', KEYS[i], 0, entry(sort_key, created, pk)) == 1
      and redis.pcall('HSET', KEYS[i + 1], pk, sort_key) == 1
    i = i + 2
  end
  while is_done and i <= #KEYS do
    local field = ARGV[first_value + 2 * (i - first_unique) + 1]
    is_done = redis.pcall('HSETNX', KEYS[i], field, pk) == 1
    i = i + 1
  end
  if is_done then
    if deadline then
      redis.call('ZADD', KEYS[3], deadline, pk)
    end
    return is_lifetime and now or 1
  end

  -- DEFINE entry release
  for j = 6, i - 1 do
    if j < first_ordered then
      redis.pcall('ZREM', KEYS[j], pk)
    elseif j >= first_unique then
      release(KEYS[j], ARGV[first_value + 2 * (j - first_unique) + 1], pk)
    elseif (j - first_ordered) % 2 == 1 then
      redis.pcall('HDEL', KEYS[j], pk)
    else
      redis.pcall('ZREM', KEYS[j], entry(ARGV[11 + (j - first_ordered) / 2], created, pk))
    end
  end
  if memo ~= '' then
    redis.pcall('HDEL', KEYS[4], pk)
  end
  redis.call('ZREM', KEYS[2], pk)
  redis.call('DEL', KEYS[1])
end
