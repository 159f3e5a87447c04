-- Save and delete several objects, of one or more models, in one step or not at all.
--
-- KEYS     those of each part, one part after the other: of save.lua, of delete.lua, or
--          of "absent": 1 all (sorted set)  2.. sorted sets of terms; then of each
--          ordered attribute the entries (sorted set) and the sort keys (hash)
-- ARGV     1 number of parts; for each of them its kind ("save", "delete", "absent"), how
--          many keys it has, how many arguments; then the arguments of each part: of
--          save.lua, of delete.lua, or of "absent": 1 number of ordered attributes
--          2.. their sort keys
-- RETURNS  {1, ...} all is written; {0, ...} nothing is. Then {number, answer} of each
--          part that refused, or of which delete.lua would not answer 1: what save.lua
--          or delete.lua would answer, and of "absent"
--          {6, id} this live object carries all the terms and values
-- COST     O((entries + swept) log n); "absent": O(the smallest set)
-- DERIVED  as save.lua and delete.lua; the objects that carry the terms of "absent"

-- unpack() fails near 8000 values: Lua 5.1's C stack.
local CHUNK = 1000

local now, now_us = clock()

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

-- Unique values that change hands in this step: by key, then by value, whose it was and
-- whose it will be.
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

-- The refusal where two parts claim one value, or nil.
local function exchange(kind, keys, args)
  local refused
  if kind == 'save' then
    local ordered, uniques = tonumber(args[12]), tonumber(args[13])
    for i = 1, uniques do
      local key, at = keys[#keys - uniques + i], 13 + ordered + 2 * i
      if args[at] ~= '' then
        note(given_up, key, args[at], args[1])
      end
      local other = args[at + 1] ~= '' and note(claimed, key, args[at + 1], args[1])
      if other then
        refused = {5, i, other}
      end
    end
  elseif kind == 'delete' then
    local uniques = #args - 6
    for i = 1, uniques do
      note(given_up, keys[#keys - uniques + i], args[6 + i], args[1])
    end
  end
  return refused
end

-- Each of these answers a refusal, or nil and what writes the part.
local CHECKS = {}

function CHECKS.save(KEYS, ARGV)
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

function CHECKS.delete(KEYS, ARGV)
  -- INCLUDE check_delete
  return nil, function()
    -- INCLUDE write_delete
    return stored and 1 or {2}
  end
end

function CHECKS.absent(KEYS, ARGV)
  local base, ordered = string.sub(KEYS[1], 1, -4), tonumber(ARGV[1])
  local first_ordered = #KEYS - 2 * ordered + 1
  local wrong = mistyped(KEYS, 1, first_ordered - 1, 'zset')
    or mistyped_ordered(KEYS, first_ordered, ordered)
  if wrong then
    return wrong
  end

  -- A live object among these that has every term and value, or nil.
  local function match(ids)
    for key = 2, first_ordered - 1 do
      local kept = {}
      for i, score in ipairs(#ids > 0 and redis.call('ZMSCORE', KEYS[key], unpack(ids)) or {}) do
        if score then
          kept[#kept + 1] = ids[i]
        end
      end
      ids = kept
    end
    for _, pk in ipairs(ids) do
      local has_all = redis.call('EXISTS', base .. 'o:' .. pk) == 1
      for i = 1, has_all and ordered or 0 do
        local sort_keys = KEYS[first_ordered + 2 * i - 1]
        has_all = has_all and redis.call('HGET', sort_keys, pk) == ARGV[1 + i]
      end
      if has_all then
        return pk
      end
    end
  end

  local smallest, source
  for key = 2, first_ordered - 1 do
    local size = redis.call('ZCARD', KEYS[key])
    if not smallest or size < smallest then
      smallest, source = size, KEYS[key]
    end
  end
  local from, ids = 0, nil
  repeat
    if source then
      ids = redis.call('ZRANGE', source, from, from + CHUNK - 1)
    else
      ids = redis.call('ZRANGEBYLEX', KEYS[first_ordered], '[' .. ARGV[2],
        '(' .. ARGV[2] .. '\255', 'LIMIT', from, CHUNK)
      for i, found in ipairs(ids) do
        local a, b, c = string.byte(found, -3, -1)
        ids[i] = string.sub(found, -3 - (a * 65536 + b * 256 + c), -4)
      end
    end
    local found = match(ids)
    if found then
      return {6, found}
    end
    from = from + CHUNK
  until #ids < CHUNK
end

local answers, writes = {1}, {}
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
  local limit = kinds[i] == 'save' and args[i][7] or args[i][3]
  if kinds[i] ~= 'absent' and not swept[keys[i][2]] then
    swept[keys[i][2]] = true
    sweep(string.sub(keys[i][2], 1, -4), peek(keys[i][3], now, limit))
  end
end
return answers
