-- The page that is filled, with live ids in their order.
--
-- KEYS     as conditions.lua
-- ARGV     the last three: how many live matches to pass over, the size of the page, and
--          "ids", "objects", "counters" or "explain"
-- RETURNS  nothing
-- COST     1 us an id, with its object
-- DERIVED  the objects and counters of the page

local skip, need = tonumber(ARGV[#ARGV - 2]), tonumber(ARGV[#ARGV - 1])
local want = ARGV[#ARGV]

local page, objects, counters = {}, {}, {}

local function is_full()
  return #page >= need
end

-- Put live ids on the page; what is gone from under its index entry is left out.
local function fill(ids)
  if skip >= #ids then
    skip = skip - #ids
    return
  end
  local first = skip + 1
  skip = 0
  while first <= #ids and #page < need do
    local last = math.min(#ids, first + math.min(need - #page, CHUNK) - 1)
    local keys = {}
    for i = first, last do
      keys[#keys + 1] = base .. 'o:' .. ids[i]
    end
    local packed = want ~= 'ids' and redis.call('MGET', unpack(keys)) or keys
    for i = 1, #keys do
      if packed[i] then
        page[#page + 1], objects[#objects + 1] = ids[first + i - 1], packed[i]
        if want == 'counters' then
          counters[#counters + 1] =
            redis.call('HGETALL', base .. 'c:' .. ids[first + i - 1])
        end
      end
    end
    first = last + 1
  end
end

-- A function that undoes what was put on the page since.
local function mark()
  local size, rest = #page, skip
  return function()
    for i = #page, size + 1, -1 do
      page[i], objects[i], counters[i] = nil, nil, nil
    end
    skip = rest
  end
end
