-- The gate needs the balance of the ledger at each candidate. Grain: article, location, instant.
insert into run_books (inventory_id, location_id, counted_at)
select distinct inventory_id, location_id, counted_at from run_candidates
