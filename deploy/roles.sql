-- The three roles of the database `app`: the owner migrates, the application reads and writes rows, the reader reads.
-- Run once as a superuser, before the first migration; docker-compose.yml does so at the first start. Elsewhere:
--
--   OWNER_PASSWORD=... APP_PASSWORD=... READER_PASSWORD=... psql 'postgresql://postgres@...' -f deploy/roles.sql
--
-- After each migration `python -m app roles` gives the application and the reader their rights on the tables.
\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
\getenv reader_password READER_PASSWORD
set password_encryption = 'scram-sha-256';
create role app_owner login bypassrls password :'owner_password'; -- dumps, prunes and fills in every user's rows
create role app login password :'app_password';
create role app_reader login password :'reader_password';
alter database app owner to app_owner;
revoke all on database app from public;
revoke create on schema public from public; -- PostgreSQL 14 lets every role create there
