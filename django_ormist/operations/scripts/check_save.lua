-- Check whether one save is refused: save.lua and commit.lua include it.
--
-- KEYS     those of save.lua
-- ARGV     those of save.lua
-- RETURNS  a refusal of save.lua, or TRYAGAIN; else the including script goes on
-- COST     O(entries)
-- DERIVED  the objects that hold unique values
--
-- It needs `is_free`: false, or a function that returns whether the holder of a unique
-- value gives it up in this step.

local pk, expected, packed = ARGV[1], ARGV[2], ARGV[3]
local deadline, is_lifetime
if ARGV[4] ~= '' then
  -- DEFINE deadline_from
  deadline, is_lifetime = deadline_from(ARGV[4], clock())
end
local is_indexed = string.find(ARGV[5], 'i', 1, true)
local has_counters = string.find(ARGV[5], 'c', 1, true)
local had_deadline = string.find(ARGV[5], 'e', 1, true)
local new_memo, lost = ARGV[6] or '', tonumber(ARGV[7] or 0)
local ordered, uniques = tonumber(ARGV[8] or 0), tonumber(ARGV[9] or 0)
local required = tonumber(ARGV[10] or 0)
local gained = #KEYS - 5 - lost - 2 * ordered - uniques
local first_sort_key = 11
local first_value = first_sort_key + ordered
local first_required = first_value + 2 * uniques
local first_counter = first_required + 2 * required

local base = string.sub(KEYS[2], 1, -4)
local first_ordered = 6 + lost + gained
local first_unique = first_ordered + 2 * ordered

local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' then
  return refusal(stored, KEYS[1], 'string')
elseif (stored or '') ~= expected or stored == '' then
  -- DEFINE is_past
  stored = stored and not is_past(KEYS[3], pk) and stored
  if (stored or '') ~= expected or stored == '' then
    return {0, stored}
  elseif is_moving(base) then  -- its entries are removed by its memo
    return TRY_AGAIN
  end
end
if deadline and deadline <= clock() then
  return {3}
end

-- Every call costs: reads fail by themselves if the key has another type.
local was_created, memo = redis.pcall('ZSCORE', KEYS[2], pk), nil
if type(was_created) == 'table' then
  return refusal(was_created, KEYS[2], 'zset')
end
local expired = peek_expired(KEYS[3])
if expired and expired['err'] then
  return refusal(expired, KEYS[3], 'zset')
end
local leftover = was_created and not stored
local was_expiring = had_deadline or leftover
local wrong = (deadline or was_expiring or expired) and mistyped(KEYS, 4, 4, 'hash')
  or has_counters and mistyped(KEYS, 5, 5, 'hash')
  or mistyped(KEYS, 6, 5 + lost, 'zset')
  or mistyped_ordered(KEYS, first_ordered, ordered)
  or mistyped(KEYS, first_unique, #KEYS, 'hash')
if wrong then
  return wrong
end
if leftover then
  memo = redis.call('HGET', KEYS[4], pk)
  if not memo and is_indexed and not redis.call('ZSCORE', KEYS[3], pk) then
    return {2}
  end
end
for i = 0, uniques - 1 do
  local key, field = KEYS[first_unique + i], ARGV[first_value + 2 * i + 1]
  local holder = field ~= '' and redis.call('HGET', key, field)
  if holder and holder ~= pk and not (is_free and is_free(key, field, holder)) then
    -- DEFINE is_past
    local is_stored = redis.call('EXISTS', base .. 'o:' .. holder) == 1
    if is_stored and not is_past(KEYS[3], holder) then
      return {5, i + 1, holder}
    elseif not is_stored and is_moving(base) then
      return TRY_AGAIN
    end
  end
end
for i = first_required, first_counter - 1, 2 do
  local held = redis.call('HGET', KEYS[5], ARGV[i]) or '0'
  if string.gsub(held, '^(-?)0+(%d)', '%1%2') ~= ARGV[i + 1] then
    return {7}
  end
end
