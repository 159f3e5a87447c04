-- Check whether one deletion is refused: delete.lua and commit.lua include it.
--
-- KEYS     those of delete.lua
-- ARGV     those of delete.lua
-- RETURNS  a refusal of delete.lua, or TRYAGAIN; else the including script goes on
-- COST     O(entries)
-- DERIVED  none here: base is for the scripts that include this

local pk, expected, is_indexed = ARGV[1], ARGV[2], ARGV[3] == '1'
local terms, ordered = tonumber(ARGV[4]), tonumber(ARGV[5])
local first_value = 6

local first_ordered = 6 + terms
local first_unique = first_ordered + 2 * ordered

local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' then
  return refusal(stored, KEYS[1], 'string')
end
local created = redis.pcall('ZSCORE', KEYS[2], pk)
if type(created) == 'table' then
  return refusal(created, KEYS[2], 'zset')
end
-- Nothing expires in most models, and this object has no counters: one call for three.
local is_lasting = redis.pcall('EXISTS', KEYS[3], KEYS[4], KEYS[5]) == 0
local wrong = not is_lasting and (mistyped(KEYS, 3, 3, 'zset') or mistyped(KEYS, 4, 5, 'hash'))
  or mistyped(KEYS, 6, 5 + terms, 'zset')
  or mistyped_ordered(KEYS, first_ordered, ordered)
  or mistyped(KEYS, first_unique, #KEYS, 'hash')
if wrong then
  return wrong
elseif stored and (stored ~= expected or stored == '') then
  return {0, stored}
end
local base, memo = string.sub(KEYS[2], 1, -4), not is_lasting and redis.call('HGET', KEYS[4], pk)
if memo and is_moving(base) then
  return TRY_AGAIN
end
