"""Operations for revisions, in addition to Alembic's; autogenerate writes calls to the public functions."""
