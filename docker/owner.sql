-- Run once, by the superuser, when the database's volume is empty: the owner of Comity's database and the database.
\set password `cat /run/secrets/owner_password`
SET log_min_error_statement = panic;
CREATE ROLE comity_owner LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE comity OWNER comity_owner TEMPLATE template0
    ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE CONNECT, TEMPORARY ON DATABASE comity FROM PUBLIC;
