-- What the gate thinks of a variance. Posting, reading, checks and decisions all ask these functions, so that they
-- cannot disagree.

-- Of the absolute variance: from review_* on listed for review, above hold_* held, above critical_* critical. Percent is
-- of what was expected, value in the currency of cost and price. Null: no such limit.
create type gate_limits as (
  review_units numeric, hold_units numeric, critical_units numeric,
  review_percent numeric, hold_percent numeric, critical_percent numeric,
  review_value numeric, hold_value numeric, critical_value numeric
);

-- The highest tier that any limit gives. Percent says nothing where nothing was expected, and value nothing where the
-- article has neither cost nor price.
create function gate_tier(variance numeric, expected numeric, unit_value numeric, limits gate_limits) returns text
  language sql immutable parallel safe
  return case
    when abs(variance) > (limits).critical_units
      or abs(variance) * 100 > (limits).critical_percent * abs(nullif(expected, 0))
      or abs(variance) * unit_value > (limits).critical_value then 'critical'
    when abs(variance) > (limits).hold_units
      or abs(variance) * 100 > (limits).hold_percent * abs(nullif(expected, 0))
      or abs(variance) * unit_value > (limits).hold_value then 'held'
    when abs(variance) >= (limits).review_units
      or abs(variance) * 100 >= (limits).review_percent * abs(nullif(expected, 0))
      or abs(variance) * unit_value >= (limits).review_value then 'review'
    else 'tolerance' end;

-- What a variance of one is worth. A cost or price of zero is one that nobody entered.
create function unit_value(cost numeric, price numeric) returns numeric
  language sql immutable parallel safe
  return coalesce(nullif(cost, 0), nullif(price, 0));

-- The tier of a count today. While nobody has learned anything new about it, that is the one in which it was decided on:
-- another policy or another price makes no new question of it. Null: no gate looks at it.
create function present_tier(
  is_unchanged boolean, decided_tier text, variance numeric, expected numeric, unit_value numeric, limits gate_limits
) returns text
  language sql immutable parallel safe
  return case
    when limits is null then null
    when is_unchanged and decided_tier <> 'opening' then decided_tier
    else gate_tier(variance, expected, unit_value, limits) end;

-- Of an applied count, whether late rows have carried it past the tier in which it was let through. What else became of
-- a count (opening, held, rejected) is its status as it is; so it is where nobody had to decide.
create function count_status(fate text, decided_by text, decided_tier text, tier text) returns text
  language sql immutable parallel safe
  return case
    when fate <> 'applied' or decided_tier is null or tier is null then fate
    when decided_by <> 'gate' then
      case when tier = 'critical' and decided_tier <> 'critical' then 'flagged' else fate end
    when tier in ('held', 'critical') or (tier = 'review' and decided_tier = 'tolerance') then 'flagged'
    when tier = 'review' then 'review'
    else fate end;

-- Of counted and expected as somebody looks at them.
create function count_digest(counted numeric, expected numeric) returns text
  language sql immutable parallel safe
  return md5(trim_scale(counted) || ' ' || trim_scale(expected));

-- The limits that the policies give, as rows: one for each source, one for each category whose limits differ from those
-- of its source because it or one above it has its own, and one for each article with its own. The most particular row
-- that fits holds; each row is complete. What a policy leaves out it takes from the one above.
-- gates: [{"source", "limits": {field of gate_limits: number}, "categories": {name: limits}, "articles": {sku: limits}}]
-- Grain: source; source and category; source and article.
create function gates_in_effect(gates jsonb)
  returns table (source_id smallint, category_id int, inventory_id bigint, limits gate_limits)
  language sql stable parallel safe
begin atomic
  with recursive of_sources as (
    select s.source_id, g.limits, coalesce(g.categories, '{}') as categories, coalesce(g.articles, '{}') as articles
    from jsonb_to_recordset(gates) as g (source text, limits jsonb, categories jsonb, articles jsonb)
    join sources as s on s.name = g.source),
  -- From the top down. Categories that are above each other in a circle have no top, and their own limits do not hold.
  of_categories as (
    select o.source_id, c.category_id, o.limits || coalesce(o.categories -> c.name, '{}') as limits,
           o.categories ? c.name as has_own
    from of_sources as o
    join categories as c on c.parent_id is null
    where o.categories <> '{}'
    union all
    select a.source_id, c.category_id, a.limits || coalesce(o.categories -> c.name, '{}'),
           a.has_own or o.categories ? c.name
    from of_categories as a
    join categories as c on c.parent_id = a.category_id
    join of_sources as o on o.source_id = a.source_id),
  of_articles as (
    select o.source_id, p.inventory_id, coalesce(c.limits, o.limits) || x.limits as limits
    from of_sources as o
    cross join lateral jsonb_each(o.articles) as x (sku, limits)
    join products as p on p.sku = x.sku
    left join of_categories as c on c.source_id = o.source_id and c.category_id = p.category_id)
  select o.source_id, null::int, null::bigint, jsonb_populate_record(null::gate_limits, o.limits) from of_sources as o
  union all
  select c.source_id, c.category_id, null, jsonb_populate_record(null::gate_limits, c.limits)
  from of_categories as c
  where c.has_own
  union all
  select a.source_id, null, a.inventory_id, jsonb_populate_record(null::gate_limits, a.limits)
  from of_articles as a;
end;
