-- Remove one object and every entry it has, in one step.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)  6.. sorted sets of its terms; then of
--          each ordered attribute the entries (sorted set) and the sort keys (hash);
--          then the values of each unique one (hash)
-- ARGV     1 id  2 the bytes that must be stored now, "" for none
--          3 "1" if the model is indexed
--          4 number of terms  5 number of ordered attributes
--          6.. its value of each unique one
-- RETURNS  1 deleted
--          {0, stored} the stored bytes are others: nothing was deleted
--          {2} the object did not exist; its leftovers are removed
--          {2, 1} no object, but index entries without a memo: they stay
--          {-1, key} the key holds another type: nothing was deleted
--          TRYAGAIN keys of this slot are moving, and it has a memo: nothing was deleted
-- COST     O((entries + swept) log n)
-- DERIVED  what a memo names, for an object that expired and was not yet swept

if ARGV[2] ~= '' and ARGV[5] == '0' and not ARGV[6] then
  -- INCLUDE delete_lasting
end
-- DEFINE refusal TRY_AGAIN is_moving mistyped mistyped_ordered entry release
-- INCLUDE check_delete
-- INCLUDE write_delete
if not is_lasting then
  -- DEFINE peek_expired sweep
  sweep(base, peek_expired(KEYS[3]))
end
return stored and 1 or {2}
