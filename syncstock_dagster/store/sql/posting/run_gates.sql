-- The limits that hold in this run, by source, category and article. Grain: see gates_in_effect.
insert into run_gates (source_id, category_id, inventory_id, limits)
select source_id, category_id, inventory_id, limits from gates_in_effect(%(gates)s::jsonb)
