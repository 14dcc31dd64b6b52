//! The log as one that a ledger is moved to, or from.

use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{Parts, PostgresLog, Way, read::bound, schema};
use crate::{
    DatabaseUrl, OpenError,
    log::{
        Origin,
        waiting::{OwnWaiting, Waiting},
    },
    server::{
        Address, OPEN_WITHIN,
        hold::holders,
        schema::{server, server_name, unfit},
    },
};

/// The name of the mark in `ledger.meta`.
const ARRIVAL: &str = "arrival";

impl PostgresLog {
    /// The log, to be read only; none if the database has none.
    pub(crate) fn look(url: &DatabaseUrl) -> Result<Option<Self>, OpenError> {
        let address = Address::of(url)?;
        let waiting = Waiting::start("postgres")?;
        let found = waiting.apart(OPEN_WITHIN, async || {
            let mut on = address.connect().await.map_err(OpenError::Server)?;
            let there = sqlx::raw_sql("SELECT to_regclass('ledger.meta') IS NOT NULL").fetch_one(&mut on).await;
            if !there.and_then(|row| row.try_get(0)).map_err(server)? {
                return Ok(None);
            }
            let (origin, server) = (schema::look(&mut on).await?, server_name(&mut on, &address).await?);
            Ok(Some((origin, server)))
        })?;
        let Some((origin, server)) = found else { return Ok(None) };
        let way = if address.is_pooled() { Way::Transaction } else { Way::Session };
        Parts { waiting, own: OwnWaiting::start()?, origin, server, way, address, writer: None }.assemble().map(Some)
    }

    pub(crate) fn arrival(&self) -> Result<Option<Uuid>, OpenError> {
        let readers = self.readers.clone();
        let asked = self.waiting.run(async move {
            let select = sqlx::query_scalar::<_, String>("SELECT value FROM ledger.meta WHERE name = $1");
            let mut on = readers.session().await?;
            let found = select.persistent(false).bind(ARRIVAL).fetch_optional(&mut *on).await?;
            on.end().await.map(|()| found)
        });
        let found = asked.map_err(OpenError::Server)?.map_err(server)?;
        Ok(found.map(|text| Uuid::try_parse(&text).unwrap_or_default()))
    }

    pub(crate) fn arrive(&mut self, origin: &Origin, arrival: Uuid) -> Result<(), OpenError> {
        let (address, wanted) = (&self.address, origin);
        self.waiting.apart(OPEN_WITHIN, async || {
            let mut on = address.connect().await.map_err(OpenError::Server)?;
            mark(&mut on, wanted, arrival).await
        })?;
        self.origin = origin.clone();
        Ok(())
    }

    pub(crate) fn arrived(&self) -> Result<(), OpenError> {
        let readers = self.readers.clone();
        let asked = self.waiting.run(async move {
            let mut on = readers.session().await?;
            let delete = sqlx::query("DELETE FROM ledger.meta WHERE name = $1").persistent(false);
            delete.bind(ARRIVAL).execute(&mut *on).await?;
            on.end().await
        });
        asked.map_err(OpenError::Server)?.map_err(server)
    }

    pub(crate) fn holders(&self) -> Result<Vec<String>, OpenError> {
        let readers = self.readers.clone();
        let asked = self.waiting.run(async move {
            let mut on = readers.session().await?;
            let found = holders(&mut on, schema::ALONE).await?;
            on.end().await.map(|()| found)
        });
        asked.map_err(OpenError::Server)?.map_err(server)
    }
}

async fn mark(on: &mut PgConnection, origin: &Origin, arrival: Uuid) -> Result<(), OpenError> {
    let mut changing = on.begin().await.map_err(server)?;
    let head = "SELECT position, (SELECT value FROM ledger.meta WHERE name = 'ledger_id') FROM ledger.head FOR UPDATE";
    let row = sqlx::query(head).persistent(false).fetch_one(&mut *changing).await.map_err(server)?;
    let (position, id): (i64, Option<&str>) = (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
    if position > 0 && id != Some(&*origin.id.to_string()) {
        return Err(unfit("the database holds another ledger", "name another database"));
    }
    let put = "INSERT INTO ledger.meta VALUES ($1, $2), ('ledger_id', $3) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    let put = sqlx::query(put).persistent(false).bind(ARRIVAL).bind(arrival.to_string()).bind(origin.id.to_string());
    put.execute(&mut *changing).await.map_err(server)?;
    sqlx::raw_sql("DELETE FROM ledger.epochs").execute(&mut *changing).await.map_err(server)?;
    let (firsts, epochs): (Vec<i64>, Vec<i64>) =
        origin.epochs().iter().map(|(first, epoch)| (bound(*first), i64::from(*epoch))).unzip();
    let epoch = "INSERT INTO ledger.epochs SELECT * FROM unnest($1::bigint[], $2::bigint[])";
    sqlx::query(epoch).persistent(false).bind(firsts).bind(epochs).execute(&mut *changing).await.map_err(server)?;
    changing.commit().await.map_err(server)
}
