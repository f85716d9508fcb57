-- The moment of the source.

-- name: moment
-- Source, outside of any transaction: two statements, one after the other. A transaction that is being prepared is seen by
-- one of them, since it stands among the prepared ones before its session forgets it. Sessions of ours only read: those of our own
-- role with our application name; and a vacuum writes no rows. What began before it says so (a statement on its way
-- to a backend) is the overlap's business.
SELECT (pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) * 1000000)::bigint,
       (pg_catalog.date_part('epoch', least(pg_catalog.statement_timestamp(), pg_catalog.min(a.xact_start))) * 1000000)::bigint,
       coalesce(pg_catalog.bool_or(a.state = 'disabled'
                                   OR a.pid IS NOT NULL
                                      AND NOT may_see_all.yes
                                      AND NOT coalesce(pg_catalog.pg_has_role(a.usesysid, 'USAGE'), false)), false)
  FROM (
SELECT EXISTS (SELECT
                 FROM pg_catalog.pg_roles AS r
                WHERE r.rolname = 'pg_read_all_stats'
                  AND pg_catalog.pg_has_role(r.oid, 'USAGE')) AS yes
       ) AS may_see_all
  LEFT JOIN pg_catalog.pg_stat_activity AS a
    ON a.datname = pg_catalog.current_database()
   AND NOT (a.usename = current_user
            AND a.application_name = pg_catalog.current_setting('application_name'))
   AND coalesce(pg_catalog.to_jsonb(a) ->> 'backend_type', '') <> 'autovacuum worker';
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/' || d.oid,
       (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()),
       pg_catalog.pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts AS p WHERE p.database = d.datname),
       pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()),
       pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = pg_catalog.current_database()
