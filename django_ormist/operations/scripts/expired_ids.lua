-- Return the ids of objects whose deadline is past and that are not swept yet.
--
-- KEYS     1 expires (sorted set)
-- ARGV     none
-- RETURNS  the ids
-- COST     O(log n + expired)

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', (clock()))
