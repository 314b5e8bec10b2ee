-- Movements known by their day that stand neither at its first instant nor at its last. Grain: movement.
select m.movement_id, m.day, m.effective_at
from movements as m
join locations as l using (location_id)
where m.day_grain
  and m.effective_at not in (day_start(m.day, l.timezone), day_end(m.day, l.timezone))
