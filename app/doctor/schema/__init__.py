"""What is in the database: revision, tables, plans, rights, row-level security, shards."""
