//! Invariant 2: views rebuilt from the log equal those that lived through it.

use invitation_ledger::clock::SystemClock;
use invitation_ledger::serve::House;
use invitation_ledger::settings::{Settings, Sources};
use std::path::Path;
use std::sync::Arc;

/// Opens a folder that no server holds, and compares the digests of its views
/// with those of views made anew.
pub fn rebuilt_equal_live(data: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let flags = vec![
            ("data".to_owned(), "--data".to_owned(), data.display().to_string()),
            ("mail".to_owned(), "--mail".to_owned(), "none".to_owned()),
        ];
        let settings = Settings::resolve(&Sources { flags, ..Sources::default() }).map_err(|e| e.to_string())?;
        let house = House::open(&settings, Arc::new(SystemClock), "a test").await.map_err(|e| e.to_string())?;
        let views = house.views();
        views.caught_up().await.map_err(|why| why.to_string())?;
        let live = views.digests().map_err(|e| e.to_string())?;
        let rebuilt = tokio::task::spawn_blocking(move || {
            views.rebuild(None, &mut |_, _| {}).map_err(|e| e.to_string())?;
            views.digests().map_err(|e| e.to_string())
        });
        let rebuilt = rebuilt.await.map_err(|e| e.to_string())??;
        house.close().await;
        if live == rebuilt && !live.is_empty() {
            return Ok(());
        }
        Err(format!("rebuilt views differ from the live ones: {live:?} and {rebuilt:?}"))
    })
}
