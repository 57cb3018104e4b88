-- The embedded server: is it there, and does it have our database.

-- name: select_database
-- Whether the server has our database; that it answers at all says that it is ready.
SELECT count(*) FROM pg_database WHERE datname = 'kasparro';

-- name: create_database
-- Make our database in a new data folder.
CREATE DATABASE kasparro;
