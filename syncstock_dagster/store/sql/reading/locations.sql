-- Locations. Grain: location.
select code, name, timezone from locations order by code
