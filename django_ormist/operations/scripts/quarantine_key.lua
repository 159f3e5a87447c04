-- A key put out of the way, so that whoever knows what it was can still look.
--
-- KEYS     none of its own
-- ARGV     none of its own: uses the script's `now_us` and `kept_ms`
-- RETURNS  nothing
-- COST     O(1)
-- DERIVED  the new name with the time appended, where that name is taken

-- What stands there already stays; what would end sooner than in `kept_ms` still does.
local function put_aside(key, target)
  if redis.call('EXISTS', target) == 1 then
    target = target .. ':' .. digits(now_us)
  end
  redis.call('RENAME', key, target)
  local ttl = redis.call('PTTL', target)
  if ttl < 0 or ttl > kept_ms then
    redis.call('PEXPIRE', target, digits(kept_ms))
  end
end
