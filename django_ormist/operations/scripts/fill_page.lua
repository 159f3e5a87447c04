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
    local is_complete = true
    for i = 1, last - first + 1 do
      is_complete = is_complete and packed[i]
      if packed[i] then
        page[#page + 1], objects[#objects + 1] = ids[first + i - 1], packed[i]
        if want == 'counters' then
          local counted = redis.call('HGETALL', base .. 'c:' .. ids[first + i - 1])
          counters[#counters + 1] = counted
          is_complete = is_complete and #counted > 0
        end
      end
    end
    if not is_complete then
      require_all_here(base)
    end
    first = last + 1
  end
end
