-- The lines of an order as they are meant: the article of each code (the exact SKU, else the one article with that
-- identifier, else the one whose SKU differs only by case or blanks around it), and its location. What is not known is
-- null. Grain: line.
create function order_lines(lines jsonb, default_location text)
  returns table (line int, sku text, inventory_id bigint, location text, location_id int, timezone text,
                 quantity numeric, unit_price numeric)
  language sql stable
begin atomic
  select x.line::int, coalesce(p.sku, x.sku, x.inventory_id::text), p.inventory_id,
         coalesce(x.location, default_location), l.location_id, l.timezone, x.quantity, x.unit_price
  from rows from (
    jsonb_to_recordset(lines) as (sku text, inventory_id bigint, location text, quantity numeric, unit_price numeric)
  ) with ordinality as x (sku, inventory_id, location, quantity, unit_price, line)
  left join products as named on named.sku = x.sku and x.inventory_id is null
  left join lateral (
    select min(c.inventory_id) as inventory_id from product_identifiers as c
    where c.identifier = x.sku and x.inventory_id is null and named.inventory_id is null
    having count(distinct c.inventory_id) = 1
  ) as coded on true
  left join lateral (
    select min(c.inventory_id) as inventory_id from products as c
    where lower(btrim(c.sku)) = lower(btrim(x.sku)) and x.inventory_id is null and named.inventory_id is null
      and coded.inventory_id is null
    having count(*) = 1
  ) as folded on true
  left join products as p
    on p.inventory_id = coalesce(x.inventory_id, named.inventory_id, coded.inventory_id, folded.inventory_id)
  left join locations as l on l.code = coalesce(x.location, default_location);
end;

-- What makes two orders the same one: article, location, quantity and price of each line, in no order.
create function order_content(resolved jsonb) returns jsonb
  language sql immutable
begin atomic
  select jsonb_agg(c.line order by c.line)
  from (
    select jsonb_build_array(
             x -> 'inventory_id', x -> 'location_id', trim_scale((x ->> 'quantity')::numeric),
             trim_scale((x ->> 'unit_price')::numeric)) as line
    from jsonb_array_elements(resolved) as x) as c;
end;

-- What can be promised of articles at locations: on hand, less what is reserved by others, less what is only on its
-- way (a movement that is known and has not happened yet). Grain: article and location that has a stock row.
create function available_stock(inventory_ids bigint[], location_ids int[], own_ref text)
  returns table (inventory_id bigint, location_id int, on_hand numeric, reserved numeric, incoming numeric,
                 available numeric)
  language sql stable
begin atomic
  select s.inventory_id, s.location_id, s.on_hand, r.quantity, i.quantity, s.on_hand - r.quantity - i.quantity
  from (
    select distinct a.inventory_id, a.location_id
    from unnest(inventory_ids, location_ids) as a (inventory_id, location_id)) as asked
  join item_stock as s using (inventory_id, location_id)
  cross join lateral (
    select coalesce(sum(o.quantity), 0) as quantity
    from reservations as o
    where o.inventory_id = s.inventory_id and o.location_id = s.location_id and o.state = 'open'
      and o.expires_at > clock_timestamp() and o.ref is distinct from own_ref) as r
  cross join lateral (
    -- By instant: what was withdrawn again stands beside its opposite. What stands before a count is in it.
    select coalesce(sum(greatest(x.delta, 0)), 0) as quantity
    from (
      select sum(e.delta) as delta
      from ledger_entries as e
      where e.inventory_id = s.inventory_id and e.location_id = s.location_id
        and e.entry_type = 'movement'
        and e.effective_at > greatest(clock_timestamp(), (
          select max(p.counted_at)
          from count_points as p
          where p.inventory_id = s.inventory_id and p.location_id = s.location_id and p.recorded_to = 'infinity'))
      group by e.effective_at) as x) as i;
end;
