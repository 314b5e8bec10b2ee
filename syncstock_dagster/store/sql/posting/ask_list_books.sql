-- A line of a list is compared with the balance at its instant. Grain: article, location, instant.
insert into run_books (inventory_id, location_id, counted_at)
select distinct inventory_id, location_id, counted_at from run_list_lines
