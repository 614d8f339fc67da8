-- Row-level security on Holdfast's tables: a database role sees the sessions of one tenant, which is one namespace and
-- those within it, whatever SQL it runs.
--
-- Run it as the owner of the tables, after `store.migrate()`, with their schema first in search_path. It can be repeated.
-- The owner and superusers still see everything. Change the names where you gave the tables others.

-- Which role is which tenant. Namespaces are written here as `store.namespaceName` says: percent-encoded,
-- and without the `/` that ends them in the tables.
CREATE TABLE IF NOT EXISTS holdfast_tenants (
  role name PRIMARY KEY,
  namespace text COLLATE "C" NOT NULL CHECK (namespace <> '' AND length(namespace) <= 200)
);

-- What every tenant may do. Entries are only ever added, and go with their session by the foreign key.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_tenant') THEN
    CREATE ROLE holdfast_tenant NOLOGIN;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO holdfast_tenant', current_schema());
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast_sessions TO holdfast_tenant;
GRANT SELECT, INSERT ON holdfast_entries, holdfast_search TO holdfast_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast_search_pending TO holdfast_tenant;
GRANT SELECT, INSERT, UPDATE ON holdfast_meta TO holdfast_tenant;
GRANT SELECT ON holdfast_tenants TO holdfast_tenant;

ALTER TABLE holdfast_tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE holdfast_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE holdfast_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE holdfast_search ENABLE ROW LEVEL SECURITY;
ALTER TABLE holdfast_search_pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE holdfast_meta ENABLE ROW LEVEL SECURITY;

DROP POLICY IF EXISTS holdfast_own ON holdfast_tenants;
CREATE POLICY holdfast_own ON holdfast_tenants FOR SELECT USING (role = current_user);

DROP POLICY IF EXISTS holdfast_own ON holdfast_sessions;
CREATE POLICY holdfast_own ON holdfast_sessions USING (
  starts_with(namespace, (SELECT t.namespace || '/' FROM holdfast_tenants AS t WHERE t.role = current_user))
);

-- A session is created by the statement that adds its entries, and only a volatile function sees what that wrote so far.
CREATE OR REPLACE FUNCTION holdfast_is_own(key bigint) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path FROM CURRENT
AS 'SELECT EXISTS (SELECT FROM holdfast_sessions AS s WHERE s.key = $1)';

DROP POLICY IF EXISTS holdfast_read ON holdfast_entries;
DROP POLICY IF EXISTS holdfast_add ON holdfast_entries;
CREATE POLICY holdfast_read ON holdfast_entries FOR SELECT
  USING (EXISTS (SELECT FROM holdfast_sessions AS s WHERE s.key = session_key));
CREATE POLICY holdfast_add ON holdfast_entries FOR INSERT WITH CHECK (holdfast_is_own(session_key));

DROP POLICY IF EXISTS holdfast_read ON holdfast_search;
DROP POLICY IF EXISTS holdfast_add ON holdfast_search;
CREATE POLICY holdfast_read ON holdfast_search FOR SELECT
  USING (EXISTS (SELECT FROM holdfast_sessions AS s WHERE s.key = session_key));
CREATE POLICY holdfast_add ON holdfast_search FOR INSERT WITH CHECK (holdfast_is_own(session_key));

-- A search takes from here what it adds to the search index.
DROP POLICY IF EXISTS holdfast_own ON holdfast_search_pending;
CREATE POLICY holdfast_own ON holdfast_search_pending
  USING (EXISTS (SELECT FROM holdfast_sessions AS s WHERE s.key = session_key)) WITH CHECK (holdfast_is_own(session_key));

-- A tenant may say that it watches, and nothing else.
DROP POLICY IF EXISTS holdfast_read ON holdfast_meta;
DROP POLICY IF EXISTS holdfast_watch ON holdfast_meta;
DROP POLICY IF EXISTS holdfast_watch_on ON holdfast_meta;
CREATE POLICY holdfast_read ON holdfast_meta FOR SELECT USING (true);
CREATE POLICY holdfast_watch ON holdfast_meta FOR INSERT WITH CHECK (key = 'watched_until');
CREATE POLICY holdfast_watch_on ON holdfast_meta FOR UPDATE USING (key = 'watched_until');

-- A view reads as its owner, past all of this, unless it is told not to, which PostgreSQL 14 and older can't be.
DO $$
BEGIN
  IF current_setting('server_version_num')::int >= 150000 THEN
    ALTER VIEW holdfast_messages SET (security_invoker = true);
    GRANT SELECT ON holdfast_messages TO holdfast_tenant;
  ELSE
    REVOKE ALL ON holdfast_messages FROM PUBLIC, holdfast_tenant;
  END IF;
END
$$;

-- For each tenant:
--   CREATE ROLE acme LOGIN PASSWORD '…' IN ROLE holdfast_tenant;
--   INSERT INTO holdfast_tenants (role, namespace) VALUES ('acme', 'acme');
