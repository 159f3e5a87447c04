-- Remove many objects with every entry they have, each if its bytes are the expected ones.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3 memos (hash)
--          4.. the objects (strings); then the sorted sets of their terms; then of
--          each ordered attribute the entries (sorted set) and the sort keys (hash);
--          then the values of each unique one (hash)
-- ARGV     1 number of objects, 1 to 500  2 "1" if the model has counters
--          3 number of ordered attributes  4 number of unique ones
--          then for each object: id, bytes, its value of each unique one, "" for none
--          then for each term: how many of the objects carry it, their numbers
-- RETURNS  {...}: nothing of each that was deleted, {number, stored} of each whose
--          stored bytes are others (false: none are stored)
--          {{-1, key}} the key holds another type: nothing was deleted
-- COST     O((entries + swept) log n): half the time of as many delete.lua
-- DERIVED  the counters of each object

local count, has_counters = tonumber(ARGV[1]), ARGV[2] == '1'
local ordered, uniques = tonumber(ARGV[3]), tonumber(ARGV[4])
local at = 5  -- of the first object

local base = string.sub(KEYS[1], 1, -4)
local first_unique = #KEYS - uniques + 1
local first_ordered = first_unique - 2 * ordered

local wrong = mistyped(KEYS, 1, 2, 'zset') or mistyped(KEYS, 3, 3, 'hash')
  or mistyped(KEYS, 4 + count, first_ordered - 1, 'zset')
  or mistyped_ordered(KEYS, first_ordered, ordered)
  or mistyped(KEYS, first_unique, #KEYS, 'hash')
if wrong then
  return wrong['err'] and wrong or {wrong}
end

local stored = redis.call('MGET', unpack(KEYS, 4, 3 + count))
local refused, pks, keys, is_gone, values = {}, {}, {}, {}, {}
for j = 1, uniques do
  values[j] = {}
end
for i = 1, count do
  local pk = ARGV[at]
  if stored[i] ~= ARGV[at + 1] then
    refused[#refused + 1] = {i, stored[i]}
  else
    is_gone[i] = pk
    pks[#pks + 1] = pk
    keys[#keys + 1] = KEYS[3 + i]
    if has_counters then
      keys[#keys + 1] = base .. 'c:' .. pk
    end
    for j = 1, uniques do
      if ARGV[at + 1 + j] ~= '' then
        values[j][#values[j] + 1] = {ARGV[at + 1 + j], pk}
      end
    end
  end
  at = at + 2 + uniques
end
if #pks == 0 then
  return refused
end

local created = redis.call('ZMSCORE', KEYS[1], unpack(pks))
redis.call('UNLINK', unpack(keys))
for key = 4 + count, first_ordered - 1 do
  local carriers = {}
  for j = 1, tonumber(ARGV[at]) do
    carriers[#carriers + 1] = is_gone[tonumber(ARGV[at + j])]
  end
  if #carriers > 0 then
    redis.call('ZREM', KEYS[key], unpack(carriers))
  end
  at = at + 1 + tonumber(ARGV[at])
end
for key = first_ordered, first_unique - 1, 2 do
  local entries = {}
  for i, sort_key in ipairs(redis.call('HMGET', KEYS[key + 1], unpack(pks))) do
    if sort_key and created[i] then
      entries[#entries + 1] = entry(sort_key, created[i], pks[i])
    end
  end
  if #entries > 0 then
    redis.call('ZREM', KEYS[key], unpack(entries))
    redis.call('HDEL', KEYS[key + 1], unpack(pks))
  end
end
for j = 1, uniques do
  for _, held in ipairs(values[j]) do
    release(KEYS[first_unique + j - 1], held[1], held[2])
  end
end
redis.call('ZREM', KEYS[1], unpack(pks))
redis.call('ZREM', KEYS[2], unpack(pks))
redis.call('HDEL', KEYS[3], unpack(pks))
sweep(base, peek_expired(KEYS[2], 30))
return refused
