-- What a database superuser does once, inside the database that the stack will use; doing it again changes nothing.
-- The private cluster runs it at every start. For a database of your own:
--
--   CREATE ROLE vo LOGIN PASSWORD '…';  CREATE ROLE vo_tap LOGIN PASSWORD '…';
--   CREATE DATABASE vo OWNER vo;
--   psql --dbname=vo --file=setup.sql
--
-- `vo doctor` checks each item.

-- Roles: vo owns everything; vo_tap runs ADQL and can read what is published, nothing else.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vo') THEN
        CREATE ROLE vo LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vo_tap') THEN
        CREATE ROLE vo_tap LOGIN;
    END IF;
END $$;
ALTER ROLE vo_tap NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT CONNECTION LIMIT 150;
ALTER ROLE vo_tap RESET ALL;
ALTER ROLE vo_tap SET default_transaction_read_only = on;
ALTER ROLE vo_tap SET search_path = pg_catalog;
ALTER ROLE vo_tap SET statement_timeout = '24h';
ALTER ROLE vo_tap SET idle_in_transaction_session_timeout = '10min';
ALTER ROLE vo_tap SET client_connection_check_interval = '2s';
ALTER ROLE vo_tap SET lock_timeout = '30s';
ALTER ROLE vo_tap SET temp_file_limit = '50GB';
ALTER ROLE vo_tap SET work_mem = '64MB';
ALTER ROLE vo_tap SET jit = off;
ALTER ROLE vo_tap SET client_min_messages = error;
ALTER ROLE vo_tap SET standard_conforming_strings = on;
ALTER ROLE vo_tap SET extra_float_digits = 1;
ALTER ROLE vo_tap SET timezone = 'UTC';
ALTER ROLE vo SET timezone = 'UTC';
ALTER ROLE vo SET jit = off;

-- A role may set defaults for itself, and those of a database win over those above: they go, and memberships with them.
DO $$
DECLARE
    membership name;
BEGIN
    EXECUTE format('ALTER ROLE vo_tap IN DATABASE %I RESET ALL', current_database());
    FOR membership IN
        SELECT r.rolname
        FROM pg_auth_members AS m
        JOIN pg_roles AS r ON r.oid = m.roleid
        WHERE m.member = 'vo_tap'::regrole
    LOOP
        EXECUTE format('REVOKE %I FROM vo_tap', membership);
    END LOOP;
END $$;

-- Extensions, in public, where the translated queries name them.
CREATE EXTENSION IF NOT EXISTS q3c SCHEMA public;
-- Debian 12's pgSphere declares two old operators in a way that PostgreSQL 15.19 and later refuse (upstream issue 85), so
-- that CREATE EXTENSION fails there. Its script without these two is then run as it is; the result works the same.
DO $$
DECLARE
    script text;
BEGIN
    IF to_regtype('public.spoint') IS NULL THEN
        BEGIN
            CREATE EXTENSION pg_sphere SCHEMA public;
        EXCEPTION WHEN invalid_function_definition THEN
            SELECT pg_read_file(setting || '/extension/pg_sphere--1.2.0.sql') INTO script
            FROM pg_config WHERE name = 'SHAREDIR';
            script := regexp_replace(script, '^\\echo[^\n]*$', '', 'gn');
            script := regexp_replace(
                script, 'CREATE OPERATOR @ \(\s*LEFTARG\s*=\s*(bigint|spoint),\s*RIGHTARG\s*=\s*smoc,[^;]*;', '', 'g');
            SET LOCAL search_path = public;
            SET LOCAL client_min_messages = error;
            EXECUTE replace(script, 'MODULE_PATHNAME', '$libdir/pg_sphere');
            RESET search_path;
            RESET client_min_messages;
        END;
    END IF;
END $$;

-- The database: only the two roles come in, and ADQL makes no temporary tables.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO vo', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO vo_tap', current_database());
    EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM vo_tap', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO PUBLIC;

-- Anonymous code blocks and functions written in the database: not for ADQL.
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
REVOKE USAGE ON LANGUAGE sql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql, sql TO vo;

-- What PostgreSQL lets everybody call: of what has effects, waits or looks outside the query, ADQL keeps random numbers
-- and the clock. The rest goes to the owner and to monitoring: waiting, locks, settings, sequences, large objects,
-- functions that take a query or a table as text, signals, server files, other sessions, PostgreSQL's own state.
-- pgSphere's set_… would change how later queries of the same connection print.
DO $$
DECLARE
    forbidden regprocedure;
BEGIN
    FOR forbidden IN
        SELECT p.oid::regprocedure
        FROM pg_proc AS p
        WHERE (p.pronamespace = 'pg_catalog'::regnamespace
               AND (p.provolatile = 'v' OR p.proname ~ '^(pg|lo|txid|inet|has)_'
                    OR p.proname ~ '^(query|table|cursor|schema|database)_to_xml'
                    OR p.proname IN ('current_setting', 'ts_stat', 'aclexplode'))
               AND p.proname NOT IN ('random', 'clock_timestamp', 'gen_random_uuid')
               OR p.pronamespace = 'public'::regnamespace AND p.proname ~ '^set_s(phere|moc)_')
          AND has_function_privilege('public', p.oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', forbidden);
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO vo, pg_monitor', forbidden);
    END LOOP;
END $$;

-- System tables: ADQL's driver looks up types, nothing else.
DO $$
DECLARE
    hidden regclass;
BEGIN
    FOR hidden IN
        SELECT c.oid::regclass
        FROM pg_class AS c
        WHERE c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
          AND c.relkind IN ('r', 'v') AND c.relname NOT IN ('pg_type', 'pg_attribute')
          AND has_table_privilege('public', c.oid, 'SELECT')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', hidden);
        EXECUTE format('GRANT SELECT ON %s TO vo, pg_monitor', hidden);
    END LOOP;
END $$;

-- What later migrations make is closed until they open it.
ALTER DEFAULT PRIVILEGES FOR ROLE vo REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

-- Signals to ADQL's sessions come from the owner.
DO $$
BEGIN
    IF NOT pg_has_role('vo', 'pg_signal_backend', 'USAGE') OR NOT pg_has_role('vo', 'pg_read_all_stats', 'USAGE') THEN
        GRANT pg_signal_backend, pg_read_all_stats TO vo;
    END IF;
END $$;

-- Q3C 2.0.0 does not say that its functions may run in parallel workers; they keep no state that is shared.
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid::regprocedure
        FROM pg_proc AS p
        JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'q3c'
        WHERE p.prokind = 'f' AND p.proparallel <> 's'
    LOOP
        EXECUTE format('ALTER FUNCTION %s PARALLEL SAFE', function);
    END LOOP;
END $$;
