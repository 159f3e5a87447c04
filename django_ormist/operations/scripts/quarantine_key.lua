-- Move a key to quarantine, where it is kept for a while.
--
-- KEYS     none of its own
-- ARGV     none of its own: uses the script's `now_us` and `kept_ms`
-- RETURNS  nothing
-- COST     O(1)
-- DERIVED  the new name with the time appended, where that name is taken

-- A key of that name stays. A TTL of less than `kept_ms` stays, too.
local function quarantine_key(key, target)
  if redis.call('EXISTS', target) == 1 then
    target = target .. ':' .. digits(now_us)
  end
  redis.call('RENAME', key, target)
  local ttl = redis.call('PTTL', target)
  if ttl < 0 or ttl > kept_ms then
    redis.call('PEXPIRE', target, digits(kept_ms))
  end
end
