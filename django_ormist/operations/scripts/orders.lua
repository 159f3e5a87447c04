-- The orders of a query, and the sorting of some ids by them.
--
-- KEYS     as conditions.lua
-- ARGV     1 "1" for the whole list the other way round  2 number of orders, then of
--          each: a (attribute), e (expire), c (created) or ?; the number of its key
--          (the hash of sort keys is the next); "1" for descending. Then the condition.
-- RETURNS  nothing
-- COST     sorting n ids: O(n log n), 1 ms for 1000
-- DERIVED  none here: base is for the scripts that include this

local is_reversed = ARGV[1] == '1'
local orders, created_down, condition_at = {}, is_reversed, 3
for _ = 1, tonumber(ARGV[2]) do
  local kind, place = ARGV[condition_at], tonumber(ARGV[condition_at + 1])
  local is_down = (ARGV[condition_at + 2] == '1') ~= is_reversed
  if kind == 'c' then
    created_down = is_down
  else
    orders[#orders + 1] = {
      kind = kind,
      key = KEYS[place],
      sort_keys = KEYS[place + 1],
      is_down = is_down,
    }
  end
  condition_at = condition_at + 3
end
-- A script's random numbers would be the same ones each time.
math.randomseed(now_us % 2147483647)

local function turned(list)
  local other = {}
  for i = #list, 1, -1 do
    other[#other + 1] = list[i]
  end
  return other
end

-- The ids by creation. One that is in an index and not in `all` is none.
local function by_creation(ids)
  local times, holders = {}, {}
  for i, score in ipairs(asked('ZMSCORE', KEYS[1], ids)) do
    local time = tonumber(score or nil)
    if time then
      times[#times + 1] = time
      holders[time] = ids[i]
    end
  end
  table.sort(times)
  for i, time in ipairs(times) do
    times[i] = holders[time]
  end
  return created_down and turned(times) or times
end

local function shuffled(ids)
  for i = #ids, 2, -1 do
    local other = math.random(i)
    ids[i], ids[other] = ids[other], ids[i]
  end
  return ids
end

-- What an order says of each id: its sort key, its deadline, or a random number.
-- false: nothing.
local function facts_of(order, ids)
  if order.kind == '?' then
    local numbers = {}
    for i = 1, #ids do
      numbers[i] = math.random(2147483647)
    end
    return numbers
  elseif order.kind == 'e' then
    return asked('ZMSCORE', KEYS[2], ids)
  end
  return asked('HMGET', order.sort_keys, ids)
end

-- Ids grouped by a fact: the groups in its order, then those without it.
local function grouped(order, ids)
  local facts, leads, places, without = facts_of(order, ids), {}, {}, {}
  for i = 1, #ids do
    local fact = facts[i]
    if not fact then
      without[#without + 1] = ids[i]
    else
      local number = order.kind == 'e' and tonumber(fact) or lead(fact)
      local others = places[number]
      if not others then
        places[number] = i
        leads[#leads + 1] = number
      elseif type(others) == 'number' then
        places[number] = {others, i}
      else
        others[#others + 1] = i
      end
    end
  end
  table.sort(leads)  -- numbers: far faster than a comparison of our own
  local groups = {}
  for _, number in ipairs(leads) do
    local found = places[number]
    if type(found) == 'number' then
      groups[#groups + 1] = {ids[found]}
    else
      local texts, held = {}, {}
      for _, i in ipairs(found) do
        local fact = facts[i]
        if not held[fact] then
          held[fact] = {}
          texts[#texts + 1] = fact
        end
        table.insert(held[fact], ids[i])
      end
      if #texts > 1 then
        table.sort(texts, is_before)
      end
      for _, fact in ipairs(texts) do
        groups[#groups + 1] = held[fact]
      end
    end
  end
  return order.is_down and turned(groups) or groups, without
end

-- At least the first `most` of the ids by the orders from orders[at] on.
local function sorted(ids, at, most)
  local order = orders[at]
  if #ids < 2 then
    return ids
  elseif not order then
    return by_creation(ids)
  elseif order.kind == '?' then
    return shuffled(ids)
  end
  local groups, without = grouped(order, ids)
  table.insert(groups, is_reversed and 1 or #groups + 1, without)
  local done = {}
  for _, group in ipairs(groups) do
    for _, pk in ipairs(sorted(group, at + 1, most - #done)) do
      done[#done + 1] = pk
    end
    if #done >= most then
      break
    end
  end
  return done
end
