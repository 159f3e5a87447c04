-- Fill a page with live ids in their order.
--
-- KEYS     those of the script, whose `base`, `CHUNK`, `skip`, `need` and `want` it uses
-- ARGV     none of its own
-- RETURNS  nothing
-- COST     1 us an id, with its object
-- DERIVED  the objects and counters of the page

local page, objects, counters = {}, {}, {}

-- Add live ids to the page. An id whose object is missing is left out.
local function fill_page(ids)
  if skip >= #ids then
    skip = skip - #ids
    return
  end
  local first = skip + 1
  skip = 0
  while first <= #ids and #page < need do
    local last = math.min(#ids, first + math.min(need - #page, CHUNK) - 1)
    local packed = {unpack(ids, first, last)}
    if want ~= 'ids' then
      for i, pk in ipairs(packed) do
        packed[i] = base .. 'o:' .. pk
      end
      packed = redis.call('MGET', unpack(packed))
    end
    for i = 1, last - first + 1 do
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
