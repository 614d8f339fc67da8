-- Splits Holdfast's entries, and the words that search finds them by, into 16 partitions by session. One table of entries
-- is fast at any size: partitions are for what PostgreSQL does with whole tables, such as VACUUM, REINDEX and backups.
--
-- Run it as the owner of the tables, after `store.migrate()` and before the first session, with their schema first in
-- search_path. It refuses tables that hold anything. Change the names where you gave the tables others.
DO $$
DECLARE
  messages text := pg_get_viewdef('holdfast_messages'::regclass);
  part text;
BEGIN
  IF EXISTS (SELECT FROM holdfast_entries) THEN
    RAISE EXCEPTION 'holdfast_entries holds entries already: make partitions before the first session, or copy all sessions to another schema that has them';
  END IF;
  DROP VIEW holdfast_messages;
  FOREACH part IN ARRAY ARRAY['holdfast_entries', 'holdfast_search'] LOOP
    EXECUTE format('ALTER TABLE %I RENAME TO %I', part, part || '_whole');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY HASH (session_key)', part, part || '_whole');
    EXECUTE format('DROP TABLE %I', part || '_whole');
    EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (session_key) REFERENCES holdfast_sessions (key) ON DELETE CASCADE', part);
    FOR remainder IN 0..15 LOOP
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part || '_' || remainder, part, remainder);
    END LOOP;
  END LOOP;
  EXECUTE 'CREATE VIEW holdfast_messages AS ' || messages;
END
$$;
