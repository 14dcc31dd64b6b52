//! The log's schema: made and brought up to date by whichever node comes first,
//! one at a time; and what a database must be like for a ledger to rest on it.

use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{super::Origin, CONNECT_WITHIN, LOCK_WITHIN};
use crate::OpenError;

/// What makes version n + 1 out of version n.
const STEPS: [&str; 1] = [include_str!("schema.sql")];
/// The newest events this program understands, compared with the ledger's `min_reader`.
const READER: i64 = 1;
const OLDEST_SERVER: i32 = 140_000;
/// Who has this advisory lock looks at the schema, and changes it: "ILgr".
const ADVISORY: i64 = 0x494c_6772;
/// Who has this one writes alone.
pub(super) const ALONE: i64 = ADVISORY + 1;

/// What is wrong with a database, and how it is mended.
pub(super) fn unfit(reason: impl Into<String>, fix: impl Into<String>) -> OpenError {
    OpenError::Unfit { reason: reason.into(), fix: fix.into() }
}

fn server(source: sqlx::Error) -> OpenError {
    OpenError::Server(source.into())
}

/// Connects and leaves the schema as this program knows it.
pub(super) async fn prepare(options: &PgConnectOptions) -> Result<(Origin, PgConnection), OpenError> {
    let connecting = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(options));
    let mut connection = match connecting.await {
        Ok(connected) => connected.map_err(server)?,
        Err(_) => return Err(OpenError::Server("it did not answer in time".into())),
    };
    check_server(&mut connection).await?;
    let mut changing = connection.begin().await.map_err(server)?;
    let wait =
        format!("SET LOCAL lock_timeout = {}; SELECT pg_advisory_xact_lock({ADVISORY})", LOCK_WITHIN.as_millis());
    sqlx::raw_sql(&wait).execute(&mut *changing).await.map_err(server)?;
    let from = version(&mut changing).await?;
    for (step, number) in STEPS.iter().zip(1_i64..).skip(from) {
        sqlx::raw_sql(step).execute(&mut *changing).await.map_err(server)?;
        let note =
            "INSERT INTO ledger.meta VALUES ('schema', $1::text) ON CONFLICT (name) DO UPDATE SET value = $1::text";
        sqlx::query(note).bind(number.to_string()).execute(&mut *changing).await.map_err(server)?;
    }
    check_rights(&mut changing).await?;
    changing.commit().await.map_err(server)?;
    let origin = look(&mut connection).await?;
    Ok((origin, connection))
}

/// Which ledger it is, if it still is what one can rest on: asked at every connection that is made to write.
pub(super) async fn look(on: &mut PgConnection) -> Result<Origin, OpenError> {
    check_server(on).await?;
    let meta = "SELECT (SELECT value FROM ledger.meta WHERE name = 'ledger_id'), \
                (SELECT value::bigint FROM ledger.meta WHERE name = 'min_reader')";
    let row = sqlx::query(meta).fetch_one(&mut *on).await.map_err(server)?;
    let (id, found): (Option<&str>, Option<i64>) = (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
    let id = id.and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(foreign)?;
    if let Some(found) = found.filter(|found| *found > READER) {
        return Err(newer("events", found, READER));
    }
    let epochs =
        sqlx::query("SELECT first, epoch FROM ledger.epochs ORDER BY first").fetch_all(on).await.map_err(server)?;
    let epochs = epochs
        .iter()
        .map(|row| {
            Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), u32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(1)))
        })
        .collect::<Result<_, _>>()
        .map_err(server)?;
    Ok(Origin::new(id, epochs))
}

pub(super) async fn server_name(on: &mut PgConnection) -> Result<String, OpenError> {
    let sql = "SELECT 'PostgreSQL ' || current_setting('server_version') || ', database ' || current_database()";
    sqlx::query_scalar(sql).fetch_one(on).await.map_err(server)
}

async fn check_server(on: &mut PgConnection) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
               current_setting('server_encoding'), pg_is_in_recovery()";
    let row = sqlx::query(sql).fetch_one(&mut *on).await.map_err(server)?;
    let (number, told): (i32, String) = (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
    if number < OLDEST_SERVER {
        return Err(unfit(format!("the server is PostgreSQL {told}"), "upgrade it to 14 or newer"));
    }
    let encoding: String = row.try_get(2).map_err(server)?;
    if encoding != "UTF8" {
        return Err(unfit(format!("the database is encoded as {encoding}"), "make one with ENCODING 'UTF8'"));
    }
    if row.try_get(3).map_err(server)? {
        return Err(unfit("the server is a standby", "name the primary in the address"));
    }
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut *on).await.map_err(server)?;
        if value == "off" {
            return Err(unfit(
                format!("{setting} is off, so that a power cut could take away what was acknowledged"),
                "set it to on for this server, database and role",
            ));
        }
    }
    Ok(())
}

/// The version of the schema that is there; 0 if it is still to be made.
async fn version(on: &mut PgConnection) -> Result<usize, OpenError> {
    let sql = "SELECT to_regnamespace('ledger') IS NOT NULL, \
               (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('ledger')), \
               EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('ledger') AND relname = 'meta'), \
               has_database_privilege(current_database(), 'CREATE'), quote_ident(current_database()), quote_ident(current_user)";
    let row = sqlx::query(sql).fetch_one(&mut *on).await.map_err(server)?;
    let flag = |at: usize| row.try_get::<bool, _>(at).map_err(server);
    let (database, user): (&str, &str) = (row.try_get(4).map_err(server)?, row.try_get(5).map_err(server)?);
    if !flag(0)? {
        if !flag(3)? {
            let fix =
                format!("CREATE SCHEMA ledger AUTHORIZATION {user}, or GRANT CREATE ON DATABASE {database} TO {user}");
            return Err(unfit("the schema ledger is missing and may not be made", fix));
        }
        sqlx::raw_sql("CREATE SCHEMA ledger").execute(on).await.map_err(server)?;
        return Ok(0);
    }
    if row.try_get::<i64, _>(1).map_err(server)? == 0 {
        return Ok(0);
    }
    if !flag(2)? {
        return Err(foreign());
    }
    let sql = "SELECT (SELECT value FROM ledger.meta WHERE name = 'program'), \
               (SELECT value FROM ledger.meta WHERE name = 'schema')";
    let row = sqlx::query(sql).fetch_one(on).await.map_err(|fault| match fault.as_database_error() {
        // No such column, or no right to look.
        Some(told) if told.code().is_some_and(|code| code == "42703") => foreign(),
        Some(told) if told.code().is_some_and(|code| code == "42501") => {
            unfit("the tables of schema ledger may not be read", format!("GRANT the rights of their owner to {user}"))
        }
        Some(_) | None => server(fault),
    })?;
    let (program, found): (Option<&str>, Option<&str>) =
        (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
    let found = found.and_then(|found| found.parse::<i64>().ok());
    match (program, found) {
        (Some("invitation-ledger"), Some(found)) => match usize::try_from(found) {
            Ok(found) if found <= STEPS.len() => Ok(found),
            Ok(_) | Err(_) => Err(newer("schema", found, STEPS.len() as i64)),
        },
        (_, _) => Err(foreign()),
    }
}

async fn check_rights(on: &mut PgConnection) -> Result<(), OpenError> {
    let sql = "
SELECT quote_ident(current_user), string_agg(wanted || ' ON ledger.' || name, ', ' ORDER BY name, wanted)
FROM (VALUES ('events', 'SELECT'), ('events', 'INSERT'), ('head', 'SELECT'), ('head', 'UPDATE'), ('meta', 'SELECT'),
             ('epochs', 'SELECT'), ('meta', 'INSERT')) AS needed (name, wanted)
JOIN pg_class ON relname = name AND relnamespace = to_regnamespace('ledger')
WHERE NOT has_table_privilege(pg_class.oid, wanted)
   OR NOT has_schema_privilege(to_regnamespace('ledger')::oid, 'USAGE')";
    let row = sqlx::query(sql).fetch_one(on).await.map_err(server)?;
    let (user, missing): (&str, Option<&str>) = (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
    match missing {
        None => Ok(()),
        Some(missing) => Err(unfit(
            format!("the role {user} lacks rights"),
            format!("GRANT USAGE ON SCHEMA ledger TO {user}, and GRANT to it: {missing}"),
        )),
    }
}

fn foreign() -> OpenError {
    unfit("the schema ledger is another program's", "name a database of its own in the address")
}

fn newer(what: &str, found: i64, known: i64) -> OpenError {
    unfit(format!("the database has {what} {found}, this program knows up to {known}"), "start the newer program")
}
