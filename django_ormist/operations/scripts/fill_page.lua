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
  local first, filled = skip + 1, #page
  skip = 0
  while first <= #ids and filled < need do
    local last = math.min(#ids, first + math.min(need - filled, CHUNK) - 1)
    local packed, prefix = {}, want == 'ids' and '' or base .. 'o:'
    for i = first, last do
      packed[i - first + 1] = prefix .. ids[i]
    end
    if want ~= 'ids' then
      packed = redis.call('MGET', unpack(packed))
    end
    local is_complete = true
    for i = 1, last - first + 1 do
      local object = packed[i]
      if object then
        filled = filled + 1
        page[filled], objects[filled] = ids[first + i - 1], object
        if want == 'counters' then
          counters[filled] = redis.call('HGETALL', base .. 'c:' .. page[filled])
          is_complete = is_complete and #counters[filled] > 0
        end
      else
        is_complete = false
      end
    end
    if not is_complete then
      require_all_here(base)
    end
    first = last + 1
  end
end
