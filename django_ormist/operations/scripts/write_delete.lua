-- Remove one object, after check_delete.lua, whose locals it uses.
--
-- KEYS     those of delete.lua
-- ARGV     those of delete.lua
-- RETURNS  {2, 1} as delete.lua; else the including script goes on
-- COST     O(entries log n)
-- DERIVED  what a memo names, for an object that expired and was not yet swept

redis.call('DEL', KEYS[1], KEYS[5])
if is_indexed and not stored and not memo and created
  and not redis.call('ZSCORE', KEYS[3], pk) then
  return {2, 1}
end
if memo then
  -- DEFINE purge
  purge(base, pk, memo, created)
  redis.call('HDEL', KEYS[4], pk)
end
for i = 6, 5 + terms do
  redis.call('ZREM', KEYS[i], pk)
end
for i = first_ordered, first_unique - 1, 2 do
  local sort_key = redis.call('HGET', KEYS[i + 1], pk)
  if sort_key and created then
    redis.call('ZREM', KEYS[i], entry(sort_key, created, pk))
    redis.call('HDEL', KEYS[i + 1], pk)
  end
end
for i = first_unique, #KEYS do
  release(KEYS[i], ARGV[first_value + i - first_unique], pk)
end
redis.call('ZREM', KEYS[2], pk)
if not is_lasting then
  redis.call('ZREM', KEYS[3], pk)
end
