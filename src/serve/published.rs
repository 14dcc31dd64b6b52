//! The views' copy for those who analyse, if the settings name a database for it.

use super::house::StartError;
#[cfg(not(feature = "postgres"))]
use super::log::WITHOUT_POSTGRESQL;
use crate::settings::Settings;
use projections::Views;
#[cfg(feature = "postgres")]
use projections::{Publication, PublicationFigures};
use store::Lease;
use tokio::sync::watch;

/// Where the copy lies. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Published {
    Nowhere,
    #[cfg(feature = "postgres")]
    Copied(Publication),
}

/// What is told of it.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "without it there is nothing to tell"))]
pub(crate) struct CopyFigures {
    pub server: Option<String>,
    /// If this service writes it.
    pub position: Option<u64>,
    /// Why it does not go on.
    pub fault: Option<String>,
}

impl Published {
    /// Refuses what this program was not built for, before anything is opened.
    pub(super) fn check_built(settings: &Settings) -> Result<(), StartError> {
        #[cfg(not(feature = "postgres"))]
        if settings.views_url().is_some() {
            return Err(WITHOUT_POSTGRESQL);
        }
        let _ = settings;
        Ok(())
    }

    /// Nothing is asked of the database yet.
    #[cfg(feature = "postgres")]
    pub(super) fn open(settings: &Settings, views: &Views) -> Result<Self, StartError> {
        let Some(url) = settings.views_url() else { return Ok(Self::Nowhere) };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let node = format!("{} process {}", host.trim(), std::process::id());
        let publication = Publication::new(views.clone(), &store::DatabaseUrl::new(url), &node);
        publication.map(Self::Copied).map_err(StartError::room(COPY))
    }

    #[cfg(not(feature = "postgres"))]
    pub(super) fn open(settings: &Settings, _views: &Views) -> Result<Self, StartError> {
        Self::check_built(settings)?;
        Ok(Self::Nowhere)
    }

    /// Makes the tables, if the database can be asked.
    pub(super) async fn check(&self) -> Result<(), StartError> {
        match self {
            Self::Nowhere => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Copied(publication) => publication.check().await.map_err(StartError::room(COPY)),
        }
    }

    /// Until it is told to stop.
    pub(super) async fn run(self, lease: Lease, stop: watch::Receiver<bool>) {
        match self {
            Self::Nowhere => drop((lease, stop)),
            #[cfg(feature = "postgres")]
            Self::Copied(publication) => publication.run(lease, stop).await,
        }
    }

    /// None if there is none.
    pub(super) fn figures(&self) -> Option<CopyFigures> {
        match self {
            Self::Nowhere => None,
            #[cfg(feature = "postgres")]
            Self::Copied(publication) => {
                let PublicationFigures { server, position, fault } = publication.figures();
                Some(CopyFigures { server, position, fault })
            }
        }
    }
}

#[cfg(feature = "postgres")]
const COPY: &str = "the views' copy";
