-- Remove one object that was moved to other keys, unless it has changed since.
--
-- KEYS     those of delete.lua
-- ARGV     those of delete.lua; then the name and the value of each counter
-- RETURNS  those of delete.lua; {7} its counters are others: nothing was removed;
--          TRYAGAIN while keys of this slot are moving
-- COST     O(entries log n)
-- DERIVED  what a memo names, for an object that expired and was not yet swept

if is_moving(string.sub(KEYS[2], 1, -4)) then
  return TRY_AGAIN
end
-- INCLUDE same_counters
-- INCLUDE check_delete

if stored and not has_counters(KEYS[5], first_value + #KEYS - first_unique + 1) then
  return {7}
end
-- INCLUDE write_delete
return stored and 1 or {2}
