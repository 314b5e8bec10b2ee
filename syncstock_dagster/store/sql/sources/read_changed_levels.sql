-- The changed levels as columns of counts. Grain: article and location.
copy (
  select r.position, %(source)s, r.sku, r.inventory_id, r.location, trim_scale(r.quantity)::text,
         to_char(r.counted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
  from run_pulled_levels as r
  order by r.position
) to stdout (format csv)
