-- Return every live id that meets a condition, with the facts to sort them by.
--
-- KEYS     as query.lua
-- ARGV     as orders.lua, then as conditions.lua
-- RETURNS  {ids, facts...}: of each order its facts (a sort key, a deadline or a random
--          number; false: none), then the creation times, unless the ids are in that order
-- COST     1 us an id of the smallest condition, and 0.3 us a fact
-- DERIVED  none

-- INCLUDE conditions
-- INCLUDE matching
-- INCLUDE orders

local node = condition(condition_at)
local found, is_by_creation = find_all(node)
local reply = {found}
for _, order in ipairs(orders) do
  reply[#reply + 1] = facts_of(order, reply[1])
end
if not is_by_creation then
  reply[#reply + 1] = call_chunked('ZMSCORE', KEYS[1], reply[1])
end
return reply
