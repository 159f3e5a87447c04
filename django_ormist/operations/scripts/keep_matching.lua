-- Keep the ids that are in other sorted sets, too.
--
-- KEYS     none of its own
-- ARGV     none of its own
-- RETURNS  nothing
-- COST     O(ids * sets)

-- Return the ids that every set of `keys` has, in their order.
local function keep_matching(ids, keys)
  for _, key in ipairs(keys) do
    if #ids == 0 then
      return ids
    end
    local kept = {}
    for i, score in ipairs(redis.call('ZMSCORE', key, unpack(ids))) do
      if score then
        kept[#kept + 1] = ids[i]
      end
    end
    ids = kept
  end
  return ids
end
