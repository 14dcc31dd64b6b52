//! Views of all services, once nothing is written any more.

use crate::nodes::Nodes;
use invitation_ledger::clock::SystemClock;
use invitation_ledger::serve::House;
use invitation_ledger::settings::{Settings, Sources};
use std::sync::Arc;

/// Ends the services, opens all of their folders, and compares the digests of the views
/// that lived through everything with each other, and with those of views made anew.
pub fn of_all_equal_those_folded_anew(nodes: &mut Nodes) {
    nodes.programs.iter().for_each(|program| program.ask_to_end());
    nodes.programs.iter_mut().for_each(|program| assert_eq!(program.ended().code(), Some(0)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut houses = vec![];
        for (program, url) in nodes.programs.iter().zip(&nodes.urls) {
            let data = program.data.display().to_string();
            let flag = |name: &str, value: &str| (name.to_owned(), format!("--{name}"), value.to_owned());
            let flags = vec![flag("data", &data), flag("mail", "none"), flag("store", url)];
            let settings = Settings::resolve(&Sources { flags, ..Sources::default() }).unwrap();
            houses.push(House::open(&settings, Arc::new(SystemClock), "a test").await.unwrap());
        }
        let mut digests = vec![];
        for house in &houses {
            let views = house.views();
            views.caught_up().await.unwrap();
            digests.push(views.digests().unwrap());
        }
        let views = houses[0].views();
        let anew = tokio::task::spawn_blocking(move || {
            views.rebuild(None, &mut |_, _| {}).unwrap();
            views.digests().unwrap()
        });
        let anew = anew.await.unwrap();
        assert!(!anew.is_empty());
        assert!(digests.iter().all(|digests| *digests == anew), "{digests:#?} and anew {anew:#?}");
        for house in houses {
            house.close().await;
        }
    });
}
