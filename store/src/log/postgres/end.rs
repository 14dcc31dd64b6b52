//! Where the log ends, as the database says, on a connection that is kept.

use sqlx::{Executor as _, PgConnection, Row as _};

use crate::{
    Position,
    log::ends::Look,
    server::{ANSWER_WITHIN, Address, Fault, within},
};

pub(super) struct End {
    address: Address,
    held: Option<PgConnection>,
}

impl End {
    pub(super) fn new(address: Address) -> Self {
        Self { address, held: None }
    }
}

impl Look for End {
    async fn look(&mut self) -> Result<Position, Fault> {
        // It may have died while nobody asked.
        if let Some(mut kept) = self.held.take()
            && let Ok(position) = look_on(&mut kept, &self.address).await
        {
            self.held = Some(kept);
            return Ok(position);
        }
        let mut made = self.address.connect().await?;
        let position = look_on(&mut made, &self.address).await?;
        self.held = Some(made);
        Ok(position)
    }
}

async fn look_on(on: &mut PgConnection, address: &Address) -> Result<Position, Fault> {
    const END: &str = "SELECT position FROM ledger.head";
    let asking = async {
        if address.is_pooled() {
            // One message.
            return Ok(on.fetch_one(END).await?.try_get::<i64, _>(0)?);
        }
        Ok(sqlx::query_scalar::<_, i64>(END).fetch_one(on).await?)
    };
    Ok(within(ANSWER_WITHIN, asking).await?.cast_unsigned())
}
