-- Find the smallest of the sets of terms.
--
-- KEYS     1 all (sorted set)  2 expires (sorted set)  3.. sorted sets of the terms
-- ARGV     none
-- RETURNS  nothing
-- COST     O(terms)

-- Without a term, `all` is the source, and its size is not read.
local source, others, smallest = KEYS[1], {}, nil
for i = 3, #KEYS do
  local size = redis.call('ZCARD', KEYS[i])
  local is_smaller = not smallest or size < smallest
  if smallest then
    others[#others + 1] = is_smaller and source or KEYS[i]
  end
  if is_smaller then
    source, smallest = KEYS[i], size
  end
end
