-- Remove objects whose deadline is past, with every entry they have.
--
-- KEYS     1 expires (sorted set)  2 all (sorted set)  3 memos (hash)
-- ARGV     1 most objects to sweep, 1 to 500
-- RETURNS  how many were swept; {-1, key} if that key holds another type; TRYAGAIN while
--          keys of this slot are moving
-- COST     O(swept entries * log n): 1 to 5 ms; so fewer may be swept
-- DERIVED  the objects, their counters, and the indexes that their memos name

local base = string.sub(KEYS[2], 1, -4)
if is_moving(base) then
  return TRY_AGAIN
end
local wrong = mistyped(KEYS, 1, 2, 'zset') or mistyped(KEYS, 3, 3, 'hash')
if wrong then
  return wrong
end
return sweep(base, peek_expired(KEYS[1], ARGV[1]))
