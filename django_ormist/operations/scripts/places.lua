-- Find a place of a sorted set again.
--
-- KEYS     none of its own
-- ARGV     none of its own
-- RETURNS  nothing
-- COST     O(log n)
-- DERIVED  none

-- Whether one text comes before another, byte by byte.
local function is_before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

-- Return how many members of a sorted set come before a score and a member, whether or not
-- they are still there. is_after: with the member itself.
local function rank_of_place(key, score, member, is_after)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other = redis.call('ZRANGE', key, middle, middle)[1]
    if is_before(other, member) or is_after and other == member then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end
