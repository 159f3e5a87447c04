-- Save and delete several objects, of one or more models, in one step or not at all.
--
-- KEYS     those of each part, one part after the other: of save.lua, of delete.lua, or
--          of "absent", as conditions.lua
-- ARGV     1 number of parts; for each of them its kind ("save", "save_anew", "delete",
--          "delete_strict", "absent"), how many keys it has, how many arguments; then the
--          arguments of each part: of save.lua, of delete.lua, or of "absent" a condition,
--          as conditions.lua
-- RETURNS  {1, now, ...} all is written; {0, now, ...} nothing is. Now is in ms: lifetimes
--          count from it. Then {number, answer} of each part that was refused, or for
--          which delete.lua would not answer 1: the answer of save.lua or delete.lua;
--          of "delete_strict" also {0, false}: the object does not exist; and of
--          "absent" {6, id}: this live object meets the condition
--          TRYAGAIN keys of this slot are moving: nothing is written
-- COST     O((entries + swept) log n); "absent": as matching.lua
-- DERIVED  as save.lua and delete.lua; the objects that meet the condition of "absent"

local SAVES = {save = true, save_anew = true}
local now = clock()

local function slice(list, first, size)
  local part = {}
  for i = 1, size do
    part[i] = list[first + i - 1]
  end
  return part, first + size
end

local kinds, keys, args = {}, {}, {}
local count = tonumber(ARGV[1])
local next_key, next_word = 1, 2 + 3 * count
for i = 1, count do
  kinds[i] = ARGV[3 * i - 1]
  keys[i], next_key = slice(KEYS, next_key, tonumber(ARGV[3 * i]))
  args[i], next_word = slice(ARGV, next_word, tonumber(ARGV[3 * i + 1]))
end

-- One part may remove the last entry of a key to which the next one writes.
if is_moving(string.sub(keys[1][kinds[1] == 'absent' and 1 or 2], 1, -4)) then
  return TRY_AGAIN
end

-- Unique values that change hands in this step: by key, then by value, the old holder and
-- the new one.
local given_up, claimed = {}, {}

local function note(where, key, field, pk)
  where[key] = where[key] or {}
  local before = where[key][field]
  where[key][field] = pk
  return before
end

local function is_free(key, field, holder)
  return given_up[key] and given_up[key][field] == holder
end

-- Note the values that a part gives up and claims. Return the refusal where two parts
-- claim one value, or nil.
local function exchange(kind, keys, args)
  local refused
  if SAVES[kind] then
    local ordered, uniques = tonumber(args[8] or 0), tonumber(args[9] or 0)
    for i = 1, uniques do
      local key, at = keys[#keys - uniques + i], 9 + ordered + 2 * i
      if args[at] ~= '' then
        note(given_up, key, args[at], args[1])
      end
      local other = args[at + 1] ~= '' and note(claimed, key, args[at + 1], args[1])
      if other then
        refused = {5, i, other}
      end
    end
  elseif kind ~= 'absent' then
    local uniques = #args - 5
    for i = 1, uniques do
      note(given_up, keys[#keys - uniques + i], args[5 + i], args[1])
    end
  end
  return refused
end

-- Each of these returns a refusal, or nil and a function that writes the part.
local CHECKS = {}

function CHECKS.save(KEYS, ARGV, is_anew)
  -- INCLUDE check_save
  wrong = mistyped(KEYS, 6 + lost, 5 + lost + gained, 'zset')
  if wrong then
    return wrong
  end
  return nil, function()
    -- INCLUDE write_save
    return 1
  end
end

function CHECKS.save_anew(KEYS, ARGV)
  return CHECKS.save(KEYS, ARGV, true)
end

function CHECKS.delete(KEYS, ARGV)
  -- INCLUDE check_delete
  return nil, function()
    -- INCLUDE write_delete
    return stored and 1 or {2}
  end
end

function CHECKS.delete_strict(KEYS, ARGV)
  local refused, write = CHECKS.delete(KEYS, ARGV)
  if not refused and redis.call('EXISTS', KEYS[1]) == 0 then
    refused = {0, false}
  end
  return refused, write
end

function CHECKS.absent(KEYS, ARGV)
  -- INCLUDE conditions
  -- INCLUDE matching
  local found
  each_of(condition(1), function(ids)
    for _, pk in ipairs(keep_alive(ids)) do
      if type(redis.pcall('GET', base .. 'o:' .. pk)) == 'string' then
        found = pk
        return true
      end
    end
  end)
  return found and {6, found}
end

local answers, writes = {1, digits(now)}, {}
for i = 1, count do
  local refused = exchange(kinds[i], keys[i], args[i])
  if refused then
    answers[1], answers[#answers + 1] = 0, {i, refused}
  end
end
for i = 1, count do
  local refused
  refused, writes[i] = CHECKS[kinds[i]](keys[i], args[i])
  if refused and refused['err'] then
    return refused
  elseif refused then
    answers[1], answers[#answers + 1] = 0, {i, refused}
  end
end
if answers[1] == 0 then
  return answers
end

for i = 1, count do
  local answer = writes[i] and writes[i]() or 1
  if answer ~= 1 and answer['err'] then
    return answer  -- the first write was refused: out of memory, or a replica
  elseif answer ~= 1 then
    answers[#answers + 1] = {i, answer}
  end
end

local swept = {}
for i = 1, count do
  if kinds[i] ~= 'absent' and not swept[keys[i][2]] then
    swept[keys[i][2]] = true
    sweep(string.sub(keys[i][2], 1, -4), peek_expired(keys[i][3]))
  end
end
return answers
