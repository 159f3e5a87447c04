-- Parse the orders of a query, and sort ids by them.
--
-- KEYS     as conditions.lua
-- ARGV     1 "1" for the reversed list  2 number of orders, then of
--          each: a (attribute), e (expire), c (created) or ?; the number of its key
--          (the hash of sort keys is the next); "1" for descending. Then the condition.
-- RETURNS  nothing
-- COST     sorting n ids: O(n log n), 1 ms for 1000
-- DERIVED  none here: base is for the scripts that include this

local is_reversed, order_count = ARGV[1] == '1', tonumber(ARGV[2])
local orders, created_down, condition_at = {}, is_reversed, 3
for _ = 1, order_count do
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
-- Without a seed, a script's random numbers are the same each time.
math.randomseed(now_us % 2147483647)

local function reverse(list)
  local other = {}
  for i = #list, 1, -1 do
    other[#other + 1] = list[i]
  end
  return other
end

-- Return the ids in order of creation, without those that are not in `all`.
local function sort_by_creation(ids)
  local times, holders = {}, {}
  for i, score in ipairs(call_chunked('ZMSCORE', KEYS[1], ids)) do
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
  return created_down and reverse(times) or times
end

local function shuffle(ids)
  for i = #ids, 2, -1 do
    local other = math.random(i)
    ids[i], ids[other] = ids[other], ids[i]
  end
  return ids
end

-- Return the fact of each id by an order: a sort key, a deadline, or a random number.
-- false: it has none.
local function facts_of(order, ids)
  if order.kind == '?' then
    local numbers = {}
    for i = 1, #ids do
      numbers[i] = math.random(2147483647)
    end
    return numbers
  elseif order.kind == 'e' then
    return call_chunked('ZMSCORE', KEYS[2], ids)
  end
  return call_chunked('HMGET', order.sort_keys, ids)
end

-- Call `visit` with the places of each fact, in byte order of the facts, until it returns
-- true. Sorts numbers of six bytes, which is far faster than texts.
local function each_in_order(places, facts, number_of, at, is_down, visit)
  local numbers, held = {}, {}
  for _, place in ipairs(places) do
    local number = number_of(facts[place], at)
    local others = held[number]
    if not others then
      held[number] = place
      numbers[#numbers + 1] = number
    elseif type(others) == 'number' then
      held[number] = {others, place}
    else
      others[#others + 1] = place
    end
  end
  table.sort(numbers)
  for i = 1, #numbers do
    local found = held[numbers[is_down and #numbers + 1 - i or i]]
    local is_one = true
    if type(found) == 'number' then
      found = {found}
    else
      for j = 2, #found do
        is_one = is_one and facts[found[j]] == facts[found[1]]
      end
    end
    if is_one and visit(found)
      or not is_one and each_in_order(found, facts, number_of, at + 6, is_down, visit) then
      return true
    end
  end
end

-- Return at least the first `most` of the ids by the orders from orders[at] on.
local function sort_ids(ids, at, most)
  local order = orders[at]
  if #ids < 2 then
    return ids
  elseif not order then
    return sort_by_creation(ids)
  elseif order.kind == '?' then
    return shuffle(ids)
  end
  local facts, places, without, done = facts_of(order, ids), {}, {}, {}
  for i, pk in ipairs(ids) do
    if facts[i] then
      places[#places + 1] = i
    else
      without[#without + 1] = pk
    end
  end
  local function add(group)
    for _, pk in ipairs(sort_ids(group, at + 1, most - #done)) do
      done[#done + 1] = pk
    end
    return #done >= most
  end
  if is_reversed and add(without) then
    return done
  end
  local number_of = order.kind == 'a' and prefix_number or function(fact)
    return tonumber(fact)
  end
  local is_full = each_in_order(places, facts, number_of, 1, order.is_down,
    function(found)
      local group = {}
      for i, place in ipairs(found) do
        group[i] = ids[place]
      end
      return add(group)
    end)
  if not is_full and not is_reversed then
    add(without)
  end
  return done
end
