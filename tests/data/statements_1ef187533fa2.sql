-- The statements that the repositories sent when revision 1ef187533fa2 was the head, with their parameters.
-- Frozen: code that is deployed sends them whatever the schema has become. Never edit; add a file for a later revision.

-- conversations._CREATE(p_user_id)
INSERT INTO conversation (user_id) VALUES ($1::VARCHAR) RETURNING CAST(conversation.id AS BIGINT) AS id, CAST(conversation.user_id AS VARCHAR) AS user_id, CAST(conversation.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(conversation.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at;

-- conversations._GET(p_user_id, p_id)
SELECT CAST(conversation.id AS BIGINT) AS id, CAST(conversation.user_id AS VARCHAR) AS user_id, CAST(conversation.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(conversation.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at FROM conversation WHERE conversation.user_id = $1::VARCHAR AND conversation.id = $2::BIGINT;

-- conversations._PAGE(p_user_id, p_updated_at, p_place, p_limit)
SELECT CAST(conversation.id AS BIGINT) AS id, CAST(conversation.user_id AS VARCHAR) AS user_id, CAST(conversation.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(conversation.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at FROM conversation WHERE conversation.user_id = $1::VARCHAR AND (conversation.updated_at, conversation.id) < ((SELECT $2::TIMESTAMP WITH TIME ZONE AS anon_1), (SELECT $3::BIGINT AS anon_2)) ORDER BY conversation.updated_at DESC, conversation.id DESC LIMIT $4::BIGINT;

-- conversations._DELETE(p_user_id, p_id)
DELETE FROM conversation WHERE conversation.user_id = $1::VARCHAR AND conversation.id = $2::BIGINT RETURNING CAST(conversation.id AS BIGINT) AS id;

-- conversations._COUNT(p_user_id)
SELECT count(*) AS count FROM conversation WHERE conversation.user_id = $1::VARCHAR;

-- messages._APPEND(p_role, p_content, p_user_id, p_conversation_id)
WITH touched AS (UPDATE conversation SET updated_at=conversation.updated_at WHERE conversation.user_id = $3::VARCHAR AND conversation.id = $4::BIGINT RETURNING conversation.user_id, conversation.id, conversation.updated_at) INSERT INTO message (user_id, conversation_id, role, content, created_at) SELECT touched.user_id, touched.id, $1::VARCHAR AS anon_1, $2::VARCHAR AS anon_2, touched.updated_at FROM touched RETURNING CAST(message.id AS BIGINT) AS id, CAST(message.user_id AS VARCHAR) AS user_id, CAST(message.conversation_id AS BIGINT) AS conversation_id, CAST(message.role AS VARCHAR) AS role, CAST(message.content AS TEXT) AS content, CAST(message.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at;

-- messages._APPEND_MANY(p_roles, p_contents, p_user_id, p_conversation_id)
WITH touched AS (UPDATE conversation SET updated_at=conversation.updated_at WHERE conversation.user_id = $3::VARCHAR AND conversation.id = $4::BIGINT RETURNING conversation.user_id, conversation.id, conversation.updated_at) INSERT INTO message (user_id, conversation_id, role, content, created_at) SELECT touched.user_id, touched.id, sent.role, sent.content, touched.updated_at FROM unnest($1::VARCHAR[], $2::TEXT[]) WITH ORDINALITY AS sent(role, content, position) JOIN touched ON true ORDER BY sent.position RETURNING CAST(message.id AS BIGINT) AS id, CAST(message.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at;

-- messages._AFTER(p_conversation_id, p_user_id, p_place, p_limit)
SELECT CAST(message.id AS BIGINT) AS id, CAST(message.user_id AS VARCHAR) AS user_id, CAST(message.conversation_id AS BIGINT) AS conversation_id, CAST(message.role AS VARCHAR) AS role, CAST(message.content AS TEXT) AS content, CAST(message.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at FROM message WHERE message.conversation_id = $1::BIGINT AND message.user_id = $2::VARCHAR AND message.id > (SELECT $3::BIGINT AS anon_1) ORDER BY message.id ASC NULLS FIRST LIMIT $4::BIGINT;

-- messages._BEFORE(p_conversation_id, p_user_id, p_place, p_limit)
SELECT CAST(message.id AS BIGINT) AS id, CAST(message.user_id AS VARCHAR) AS user_id, CAST(message.conversation_id AS BIGINT) AS conversation_id, CAST(message.role AS VARCHAR) AS role, CAST(message.content AS TEXT) AS content, CAST(message.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at FROM message WHERE message.conversation_id = $1::BIGINT AND message.user_id = $2::VARCHAR AND message.id < (SELECT $3::BIGINT AS anon_1) ORDER BY message.id DESC NULLS LAST LIMIT $4::BIGINT;

-- tasks._CREATE(p_user_id, p_title, p_description, p_completed)
INSERT INTO task (user_id, title, description, completed) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::BOOLEAN) RETURNING CAST(task.id AS BIGINT) AS id, CAST(task.user_id AS VARCHAR) AS user_id, CAST(task.title AS VARCHAR) AS title, CAST(task.description AS VARCHAR) AS description, CAST(task.completed AS BOOLEAN) AS completed, CAST(task.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(task.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at;

-- tasks._GET(p_user_id, p_id)
SELECT CAST(task.id AS BIGINT) AS id, CAST(task.user_id AS VARCHAR) AS user_id, CAST(task.title AS VARCHAR) AS title, CAST(task.description AS VARCHAR) AS description, CAST(task.completed AS BOOLEAN) AS completed, CAST(task.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(task.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at FROM task WHERE task.user_id = $1::VARCHAR AND task.id = $2::BIGINT;

-- tasks._PAGE(p_user_id, p_place, p_limit)
SELECT CAST(task.id AS BIGINT) AS id, CAST(task.user_id AS VARCHAR) AS user_id, CAST(task.title AS VARCHAR) AS title, CAST(task.description AS VARCHAR) AS description, CAST(task.completed AS BOOLEAN) AS completed, CAST(task.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(task.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at FROM task WHERE task.user_id = $1::VARCHAR AND task.id < (SELECT $2::BIGINT AS anon_1) ORDER BY task.id DESC NULLS LAST LIMIT $3::BIGINT;

-- tasks._PAGE_BY_COMPLETED(p_user_id, p_place, p_completed, p_limit)
SELECT CAST(task.id AS BIGINT) AS id, CAST(task.user_id AS VARCHAR) AS user_id, CAST(task.title AS VARCHAR) AS title, CAST(task.description AS VARCHAR) AS description, CAST(task.completed AS BOOLEAN) AS completed, CAST(task.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(task.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at FROM task WHERE task.user_id = $1::VARCHAR AND task.id < (SELECT $2::BIGINT AS anon_1) AND task.completed = $3::BOOLEAN ORDER BY task.id DESC NULLS LAST LIMIT $4::BIGINT;

-- tasks._UPDATE(p_title, p_set_description, p_description, p_completed, p_user_id, p_id)
UPDATE task SET title=coalesce($1::VARCHAR, task.title), description=CASE WHEN $2::BOOLEAN THEN $3::VARCHAR ELSE task.description END, completed=coalesce($4::BOOLEAN, task.completed) WHERE task.user_id = $5::VARCHAR AND task.id = $6::BIGINT RETURNING CAST(task.id AS BIGINT) AS id, CAST(task.user_id AS VARCHAR) AS user_id, CAST(task.title AS VARCHAR) AS title, CAST(task.description AS VARCHAR) AS description, CAST(task.completed AS BOOLEAN) AS completed, CAST(task.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(task.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at;

-- tasks._UPDATE_UNCHANGED(p_user_id, p_id, param_1, p_title, p_set_description, p_description, p_completed, p_updated_at)
WITH updated AS (UPDATE task SET title=coalesce($4::VARCHAR, task.title), description=CASE WHEN $5::BOOLEAN THEN $6::VARCHAR ELSE task.description END, completed=coalesce($7::BOOLEAN, task.completed) WHERE task.user_id = $1::VARCHAR AND task.id = $2::BIGINT AND task.updated_at = $8::TIMESTAMP WITH TIME ZONE RETURNING CAST(task.id AS BIGINT) AS id, CAST(task.user_id AS VARCHAR) AS user_id, CAST(task.title AS VARCHAR) AS title, CAST(task.description AS VARCHAR) AS description, CAST(task.completed AS BOOLEAN) AS completed, CAST(task.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, CAST(task.updated_at AS TIMESTAMP WITH TIME ZONE) AS updated_at) SELECT EXISTS (SELECT task.id FROM task WHERE task.user_id = $1::VARCHAR AND task.id = $2::BIGINT) AS there, updated.id, updated.user_id, updated.title, updated.description, updated.completed, updated.created_at, updated.updated_at FROM (SELECT $3::INTEGER AS anon_1) AS always LEFT OUTER JOIN updated ON true;

-- tasks._DELETE(p_user_id, p_id)
DELETE FROM task WHERE task.user_id = $1::VARCHAR AND task.id = $2::BIGINT RETURNING CAST(task.id AS BIGINT) AS id;

-- tasks._COUNT(p_user_id)
SELECT count(*) AS count FROM task WHERE task.user_id = $1::VARCHAR;

-- tasks._COUNT_BY_COMPLETED(p_user_id, p_completed)
SELECT count(*) AS count FROM task WHERE task.user_id = $1::VARCHAR AND task.completed = $2::BOOLEAN;
