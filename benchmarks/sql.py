"""The SQL of a team that writes SQL, in asyncpg's placeholders: what this layer sends, without its type casts."""

TASK = "id, user_id, title, description, completed, created_at, updated_at"
MESSAGE = "id, user_id, conversation_id, role, content, created_at"

CREATE = f"insert into task (user_id, title, description, completed) values ($1, $2, null, false) returning {TASK}"
GET = f"select {TASK} from task where user_id = $1 and id = $2"
PAGE = f"select {TASK} from task where user_id = $1 order by id desc nulls last limit $2"
UPDATE = f"update task set title = $3 where user_id = $1 and id = $2 returning {TASK}"
DELETE = "delete from task where user_id = $1 and id = $2 returning id"
APPEND = f"""
with touched as (
  update conversation set updated_at = updated_at where user_id = $1 and id = $2 returning user_id, id, updated_at
)
insert into message (user_id, conversation_id, role, content, created_at)
select user_id, id, $3, $4, updated_at from touched
returning {MESSAGE}"""
LATEST = f"""
select {MESSAGE} from message where conversation_id = $2 and user_id = $1 order by id desc nulls last limit $3"""
