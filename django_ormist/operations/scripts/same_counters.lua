-- Compare the counters of an object with those in the arguments.
--
-- KEYS     none of its own
-- ARGV     those of the including script: names and values, to the end
-- RETURNS  nothing
-- COST     O(counters)

local function has_counters(key, first)
  local flat = redis.call('HGETALL', key)
  local held = {}
  for i = 1, #flat, 2 do
    held[flat[i]] = flat[i + 1]
  end
  for i = first, #ARGV, 2 do
    if held[ARGV[i]] ~= ARGV[i + 1] then
      return false
    end
  end
  return #flat == #ARGV - first + 1
end
