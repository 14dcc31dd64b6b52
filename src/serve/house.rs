//! Every room, opened and wired, over one data folder.

use super::metrics::Metrics;
use super::powers::HousePowers;
use super::published::Published;
use super::{beside, bootstrap, figures, log, others, pages, recent};
use crate::bus::{Bus, BusParts};
use crate::settings::Settings;
use delivery::{Delivery, DeliveryOptions, TransportOptions};
use domain::{Clock, CommandBus, TenantName};
use identity::{AdminToken, Identity, IdentityOptions, LimitSettings, Rate, Secrets};
use openapi::{Front, HttpSettings, Service};
use poem::Route;
use projections::{Views, ViewsOptions};
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{FolderLock, Lease, Ledger, OpenError, State, Vault};
use tokio::sync::watch;

/// Why the service did not start. The folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{address} cannot be listened at; choose another with --listen")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the data folder {} is in use by {holder}; stop that one first, or choose another folder with --data", folder.display())]
    InUse { folder: PathBuf, holder: String },
    #[error("the data folder {} cannot be used", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the data folder {} {what}", folder.display())]
    Elsewhere { folder: PathBuf, what: &'static str },
    /// It was moved elsewhere, or is on its way here.
    #[error("the ledger cannot be served from here")]
    Closed {
        #[source]
        source: OpenError,
    },
    #[error("this program was built without {what}; build it with `cargo build --release --features {feature}`")]
    NotBuilt { what: &'static str, feature: &'static str },
    #[error("{what} cannot be opened")]
    Room {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StartError {
    pub(super) fn room<E: Into<Box<dyn Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Room { what, source: source.into() }
    }
}

/// The service without a socket.
pub struct House {
    lock: FolderLock,
    rooms: Rooms,
    /// What keeps limits and waiting requests told, for as long as the ledger is open.
    besides: Vec<tokio::task::JoinHandle<()>>,
    metrics: Metrics,
    service: Service,
    delivering: bool,
    new_admin_token: Option<String>,
}

/// What powers, figures and the doctor look into. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub data: PathBuf,
    pub ledger: Ledger,
    pub vault: Vault,
    pub state: State,
    pub views: Views,
    pub published: Published,
    pub bus: CommandBus,
    pub identity: Identity,
    pub delivery: Delivery,
    pub clock: Arc<dyn Clock>,
}

impl House {
    /// Opens the data folder, which is made if it is not there. `address` is
    /// told to whoever else wants the folder.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>, address: &str) -> Result<Self, StartError> {
        Published::check_built(settings)?;
        let folder = settings.data.clone();
        let lock = bootstrap::folder(&folder, address)?;
        store::rewrite_wal(&folder).map_err(|source| StartError::Folder { folder: folder.clone(), source })?;
        let backend = log::place(settings)?;
        log::check_open(&backend)?;
        let (vault, state) = (beside::vault(settings)?, beside::state(settings)?);
        let (admin, new_admin_token) = bootstrap::admin_token(&folder, &vault)?;
        let ledger = log::open(backend, settings, &vault, &clock)?;
        let secrets = Secrets::new(|label| vault.secret(label));
        let parts = BusParts {
            ledger: ledger.clone(),
            vault: vault.clone(),
            state: state.clone(),
            secrets: secrets.clone(),
            clock: clock.clone(),
        };
        let runner = Bus::new(parts);
        let bus = CommandBus::new(Arc::new(runner.clone()));
        let options = identity_options(settings, admin);
        let identity = Identity::new(state.clone(), bus.clone(), secrets.clone(), clock.clone(), options)
            .map_err(StartError::room("identity"))?;
        let views = Views::open(ViewsOptions { path: Some(folder.join("views.db")) }, ledger.clone())
            .map_err(StartError::room("views.db"))?;
        views.start().map_err(StartError::room("views.db"))?;
        let published = Published::open(settings, &views)?;
        // Before the first event: an outbox that was never there must be told from one that was lost.
        let delivery = open_delivery(settings, (&ledger, &state), &bus, (secrets, clock.clone()))?;
        delivery.note_beginning().await.map_err(StartError::room("delivery"))?;
        bootstrap::default_tenant(&bus, &TenantName::default_tenant()).await?;
        let mut besides = vec![];
        besides.extend(recent::restore(&ledger, &identity).map_err(StartError::room("the log"))?);
        if ledger.is_shared() {
            besides.push(tokio::spawn(others::run(ledger.clone(), runner, identity.clone())));
        }
        let rooms = Rooms { data: folder, ledger, vault, state, views, published, bus, identity, delivery, clock };
        let metrics = Metrics::new().map_err(StartError::room("metrics"))?;
        let service = service(settings, &rooms, &metrics);
        Ok(Self { lock, rooms, besides, metrics, service, delivering: false, new_admin_token })
    }

    /// Starts to send what the log asks for. Without it, mails wait.
    pub fn deliver(&mut self) {
        self.rooms.delivery.start();
        self.delivering = true;
    }

    #[must_use]
    pub fn bus(&self) -> CommandBus {
        self.rooms.bus.clone()
    }

    #[must_use]
    pub fn views(&self) -> Views {
        self.rooms.views.clone()
    }

    #[must_use]
    pub fn identity(&self) -> Identity {
        self.rooms.identity.clone()
    }

    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.rooms.ledger.clone()
    }

    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.rooms.delivery.clone()
    }

    /// The views' copy for those who analyse.
    pub(super) fn published(&self) -> Published {
        self.rooms.published.clone()
    }

    /// Who has it writes that copy.
    #[must_use]
    pub(super) fn publishing(&self) -> Lease {
        Lease::new(self.rooms.state.clone(), "views")
    }

    /// Who has it does for all services what none is asked for.
    #[must_use]
    pub fn sweeping(&self) -> Lease {
        Lease::new(self.rooms.state.clone(), "sweeper")
    }

    #[must_use]
    pub fn watch_failed(&self) -> watch::Receiver<bool> {
        self.rooms.ledger.watch_failed()
    }

    /// The operators' token, if this opening made it.
    #[must_use]
    pub fn new_admin_token(&self) -> Option<&str> {
        self.new_admin_token.as_deref()
    }

    /// Everything that answers: the dialects, the operators' probes, the pages.
    #[must_use]
    pub fn endpoint(&self) -> Front {
        let pages = pages::endpoint(&self.rooms, &self.service.settings);
        let probes = figures::routes(Route::new(), self.rooms.clone(), self.metrics.clone());
        Front::new(&self.service, pages::mount(probes, pages))
    }

    /// Stops the followers, flushes what is queued, lets the folder go.
    pub async fn close(self) {
        if self.delivering {
            self.rooms.delivery.close().await;
        }
        for task in self.besides {
            task.abort();
        }
        self.rooms.ledger.close().await;
        self.rooms.views.close().await;
        self.rooms.state.close().await;
        self.rooms.vault.close().await;
        drop(self.lock);
    }
}

fn identity_options(settings: &Settings, admin: AdminToken) -> IdentityOptions {
    const TEN_MINUTES: u32 = 10 * 60;
    const QUARTER: u32 = 15 * 60;
    const HOUR: u32 = 60 * 60;
    let limits = &settings.limits;
    let mut options = IdentityOptions::new(admin);
    options.limits = LimitSettings {
        mails_per_recipient: Rate::new(limits.mails_per_recipient, TEN_MINUTES),
        invitations_per_user: Rate::new(limits.invitations_per_user, HOUR),
        invitations_per_tenant: Rate::new(limits.invitations_per_tenant, HOUR),
        invitations_per_application: limits.invitations_per_application.map(|count| Rate::new(count, HOUR)),
        log_in_failures_per_account: Rate::new(limits.log_ins_per_account, QUARTER),
        log_in_failures_per_peer: Rate::new(limits.log_ins_per_peer, QUARTER),
    };
    options
}

fn open_delivery(
    settings: &Settings,
    (ledger, state): (&Ledger, &State),
    bus: &CommandBus,
    (secrets, clock): (Secrets, Arc<dyn Clock>),
) -> Result<Delivery, StartError> {
    let transport: TransportOptions = settings.mail.reveal().parse().map_err(StartError::room("the mail transport"))?;
    let options = DeliveryOptions {
        templates: settings.templates.clone(),
        ..DeliveryOptions::new(transport, &settings.public_url, &settings.mail_from, &outbox(&settings.data))
    };
    let secret = Arc::new(move |tenant: &TenantName, invitation, generation| {
        secrets.mail_secret(tenant, invitation, generation)
    });
    Delivery::new(ledger.clone(), state.clone(), bus.clone(), secret, clock, options)
        .map_err(StartError::room("delivery"))
}

fn outbox(data: &Path) -> PathBuf {
    data.join("outbox")
}

fn service(settings: &Settings, rooms: &Rooms, metrics: &Metrics) -> Service {
    let http = HttpSettings {
        public_url: settings.public_url.clone(),
        routes_disabled: settings.routes_disabled.clone(),
        services_disabled: settings.services_disabled.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        mail_wait: rooms.delivery.sends().then_some(settings.mail_wait),
        observer: Some(Arc::new(metrics.clone())),
        ..HttpSettings::default()
    };
    Service {
        bus: rooms.bus.clone(),
        views: rooms.views.clone(),
        identity: rooms.identity.clone(),
        settings: Arc::new(http),
        powers: Arc::new(HousePowers::new(rooms.clone())),
    }
}
