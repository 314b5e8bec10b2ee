-- The rows of one catalogue delivery, private to its transaction.
create temp table raw_products (
  position int, sku text collate "C", name text, category text, price numeric, cost numeric, inventory_id bigint
) on commit drop
