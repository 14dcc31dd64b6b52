//! A schema of ours: made and brought up to date by whichever node comes first,
//! one at a time; and what a database must be like for anything of ours to rest on it.

use sqlx::{Connection as _, PgConnection, Row as _};

use super::{Address, LOCK_WITHIN};
use crate::OpenError;

const OLDEST_SERVER: i32 = 140_000;
/// Who has this advisory lock looks at a schema, and changes it: "ILgr". The numbers
/// after it are other locks of ours.
pub(crate) const ADVISORY: i64 = 0x494c_6772;

/// One of the schemas. It has a table `meta` of names and values, with the row `program`.
pub struct Schema {
    pub name: &'static str,
    /// What makes version n + 1 out of version n.
    pub steps: &'static [&'static str],
    /// Rights on tables that are needed, besides reading `meta` and writing it.
    pub rights: &'static [(&'static str, &'static str)],
}

/// What is wrong with a database, and how it is mended.
pub(crate) fn unfit(reason: impl Into<String>, fix: impl Into<String>) -> OpenError {
    OpenError::Unfit { reason: reason.into(), fix: fix.into() }
}

pub(crate) fn server(source: sqlx::Error) -> OpenError {
    OpenError::Server(source.into())
}

pub(crate) fn newer(what: &str, found: i64, known: i64) -> OpenError {
    unfit(format!("the database has {what} {found}, this program knows up to {known}"), "start the newer program")
}

/// The server's name and the database's, for people.
pub(crate) async fn server_name(on: &mut PgConnection, address: &Address) -> Result<String, OpenError> {
    let sql = "SELECT 'PostgreSQL ' || current_setting('server_version') || ', database ' || current_database()";
    let row = sqlx::raw_sql(sql).fetch_one(on).await.map_err(server)?;
    let name: String = row.try_get(0).map_err(server)?;
    Ok(if address.is_pooled() { format!("{name}, through a pooler") } else { name })
}

impl Schema {
    /// Connects and leaves the schema as this program knows it.
    pub(crate) async fn prepare(&self, address: &Address) -> Result<PgConnection, OpenError> {
        let name = self.name;
        let mut connection = address.connect().await.map_err(OpenError::Server)?;
        address.check_pooler(&mut connection).await?;
        let mut changing = connection.begin().await.map_err(server)?;
        check_within(&mut changing).await?;
        let wait =
            format!("SET LOCAL lock_timeout = {}; SELECT pg_advisory_xact_lock({ADVISORY})", LOCK_WITHIN.as_millis());
        sqlx::raw_sql(&wait).execute(&mut *changing).await.map_err(server)?;
        let from = self.version(&mut changing).await?;
        for (step, number) in self.steps.iter().zip(1_i64..).skip(from) {
            sqlx::raw_sql(step).execute(&mut *changing).await.map_err(server)?;
            let note = format!(
                "INSERT INTO {name}.meta VALUES ('schema', $1::text) ON CONFLICT (name) DO UPDATE SET value = $1::text"
            );
            sqlx::query(&note)
                .persistent(false)
                .bind(number.to_string())
                .execute(&mut *changing)
                .await
                .map_err(server)?;
        }
        self.check_rights(&mut changing).await?;
        changing.commit().await.map_err(server)?;
        Ok(connection)
    }

    pub(crate) fn foreign(&self) -> OpenError {
        unfit(format!("the schema {} is another program's", self.name), "name a database of its own in the address")
    }

    /// The version of the schema that is there; 0 if it is still to be made.
    async fn version(&self, on: &mut PgConnection) -> Result<usize, OpenError> {
        let name = self.name;
        let sql = "SELECT to_regnamespace($1) IS NOT NULL, \
                   (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1)), \
                   EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname = 'meta'), \
                   has_database_privilege(current_database(), 'CREATE'), quote_ident(current_database()), \
                   quote_ident(current_user)";
        let row = sqlx::query(sql).persistent(false).bind(name).fetch_one(&mut *on).await.map_err(server)?;
        let flag = |at: usize| row.try_get::<bool, _>(at).map_err(server);
        let (database, user): (&str, &str) = (row.try_get(4).map_err(server)?, row.try_get(5).map_err(server)?);
        if !flag(0)? {
            if !flag(3)? {
                let fix = format!(
                    "CREATE SCHEMA {name} AUTHORIZATION {user}, or GRANT CREATE ON DATABASE {database} TO {user}"
                );
                return Err(unfit(format!("the schema {name} is missing and may not be made"), fix));
            }
            sqlx::raw_sql(&format!("CREATE SCHEMA {name}")).execute(on).await.map_err(server)?;
            return Ok(0);
        }
        if row.try_get::<i64, _>(1).map_err(server)? == 0 {
            return Ok(0);
        }
        if !flag(2)? {
            return Err(self.foreign());
        }
        self.noted_version(on, user).await
    }

    async fn noted_version(&self, on: &mut PgConnection, user: &str) -> Result<usize, OpenError> {
        let name = self.name;
        let sql = format!(
            "SELECT (SELECT value FROM {name}.meta WHERE name = 'program'), \
             (SELECT value FROM {name}.meta WHERE name = 'schema')"
        );
        let row = sqlx::query(&sql).persistent(false).fetch_one(on).await.map_err(|fault| {
            match fault.as_database_error() {
                // No such column, or no right to look.
                Some(told) if told.code().is_some_and(|code| code == "42703") => self.foreign(),
                Some(told) if told.code().is_some_and(|code| code == "42501") => unfit(
                    format!("the tables of schema {name} may not be read"),
                    format!("GRANT the rights of their owner to {user}"),
                ),
                Some(_) | None => server(fault),
            }
        })?;
        let (program, found): (Option<&str>, Option<&str>) =
            (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
        let found = found.and_then(|found| found.parse::<i64>().ok());
        match (program, found) {
            (Some("invitation-ledger"), Some(found)) => match usize::try_from(found) {
                Ok(found) if found <= self.steps.len() => Ok(found),
                Ok(_) | Err(_) => Err(newer("schema", found, self.steps.len() as i64)),
            },
            (_, _) => Err(self.foreign()),
        }
    }

    async fn check_rights(&self, on: &mut PgConnection) -> Result<(), OpenError> {
        let sql = "
SELECT quote_ident(current_user), string_agg(wanted || ' ON ' || $1 || '.' || name, ', ' ORDER BY name, wanted)
FROM unnest($2::text[], $3::text[]) AS needed (name, wanted)
JOIN pg_class ON relname = name AND relnamespace = to_regnamespace($1)
WHERE NOT has_table_privilege(pg_class.oid, wanted)
   OR NOT has_schema_privilege(to_regnamespace($1)::oid, 'USAGE')";
        let needed = [("meta", "SELECT"), ("meta", "INSERT")].iter().chain(self.rights);
        let (tables, wanted): (Vec<&str>, Vec<&str>) = needed.copied().unzip();
        let asked = sqlx::query(sql).persistent(false).bind(self.name).bind(tables).bind(wanted);
        let row = asked.fetch_one(on).await.map_err(server)?;
        let (user, missing): (&str, Option<&str>) = (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
        match missing {
            None => Ok(()),
            Some(missing) => Err(unfit(
                format!("the role {user} lacks rights"),
                format!("GRANT USAGE ON SCHEMA {} TO {user}, and GRANT to it: {missing}", self.name),
            )),
        }
    }
}

/// Whether anything may rest on this server.
pub(crate) async fn check_server(on: &mut PgConnection) -> Result<(), OpenError> {
    let mut looking = on.begin().await.map_err(server)?;
    check_within(&mut looking).await?;
    looking.commit().await.map_err(server)
}

/// The same within a transaction that is open already.
pub(crate) async fn check_within(on: &mut PgConnection) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
               current_setting('server_encoding'), pg_is_in_recovery()";
    let row = sqlx::query(sql).persistent(false).fetch_one(&mut *on).await.map_err(server)?;
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
        let asked = sqlx::query_scalar("SELECT current_setting($1)").persistent(false).bind(setting);
        let value: String = asked.fetch_one(&mut *on).await.map_err(server)?;
        if value == "off" {
            return Err(unfit(
                format!("{setting} is off, so that a power cut could take away what was acknowledged"),
                "set it to on for this server, database and role",
            ));
        }
    }
    Ok(())
}
