//! The keys of people, kept apart from the log.
//!
//! Promise: a subject's key is on disk before the subject is handed out, is
//! handed out once, and once destroyed is gone from disk and memory. A key is
//! live, destroyed (a tombstone stands) or missing; missing is a fault, never
//! taken for destroyed.
//!
//! In PostgreSQL they are those of all nodes: a key destroyed at one is used at no
//! other for longer than a second.

mod carry;
mod keys;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_carry;
mod seal;
mod shared;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};
use ring::{digest, hmac};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::OpenError;
pub(crate) use carry::MASTER;
pub(crate) use keys::Keys;
use pool::Pool;
pub(crate) use seal::{Header, Opened};

/// Keys kept in memory: those of the people seen last.
const CACHED_KEYS: usize = 8_192;
/// The part of them that have proved themselves. The others are at least as many as two
/// followers fetch before they use them: what falls out again before is asked for one by one.
const PROVED: f64 = 0.5;
/// Keys asked for at once.
const FETCHED: usize = 1_024;
/// Keys of a block that are brought along for those who follow its node.
const AHEAD: u32 = 256;

/// One person's key.
pub(crate) type Key = Arc<Zeroizing<[u8; 32]>>;

/// Where the keys lie.
#[derive(Clone, Debug)]
pub enum VaultOptions {
    Memory,
    /// The file `keys.db`.
    Sqlite {
        path: PathBuf,
    },
    /// The schema `keys` of a database that several nodes may share.
    #[cfg(feature = "postgres")]
    Postgres {
        url: crate::DatabaseUrl,
    },
}

/// Why a key could not be had or used.
#[derive(Debug, Error)]
pub enum VaultError {
    #[error("the keys database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The database server could not be asked, or did not answer.
    #[error("the database server that has the keys failed")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the vault does not open")]
    Open(#[source] Box<OpenError>),
    /// No block of keys was written within the wait, or none can be.
    #[error("no key was ready in time")]
    Empty,
    #[error("the key of subject {subject} is destroyed")]
    Destroyed { subject: Uuid },
    /// Never made here, or lost with the file: not the same as destroyed.
    #[error("the key of subject {subject} is missing")]
    Missing { subject: Uuid },
    #[error("the commitment does not fit the key of subject {subject}")]
    OtherKey { subject: Uuid },
    #[error("a sealed value does not open")]
    Tampered,
}

impl From<OpenError> for VaultError {
    fn from(fault: OpenError) -> Self {
        VaultError::Open(Box::new(fault))
    }
}

/// A random name for one person's record, and a digest that commits to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub id: Uuid,
    /// Hex SHA-256 of "il-subject-v1", id and key.
    pub commitment: String,
}

/// How many of some subjects have a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCount {
    pub live: u64,
    pub destroyed: u64,
    pub missing: u64,
}

/// What is known of one subject's key.
#[derive(Clone, PartialEq)]
pub(crate) enum Standing {
    Live(Key),
    Destroyed,
    Missing,
}

impl Standing {
    /// Of a key that was made once.
    fn of(key: Option<Key>) -> Self {
        key.map_or(Standing::Destroyed, Standing::Live)
    }
}

/// The keys. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Arc<Keys>,
    pool: Pool,
    /// Live and destroyed ones; a tombstone stays one.
    cache: Cache<Uuid, Standing>,
    master: Zeroizing<[u8; 32]>,
    forgetting: Mutex<Vec<Forgotten>>,
}

/// Called when another node has destroyed a key.
type Forgotten = Box<dyn Fn() + Send + Sync>;

impl Vault {
    /// Opens the keys, making the file or the schema, and the master secret, if there is none.
    pub fn open(options: VaultOptions) -> Result<Vault, VaultError> {
        let keys = Arc::new(Keys::open(&options)?);
        let master = keys.master()?;
        let pool = Pool::start(keys.clone())?;
        let (cache, forgetting) = (memory(), Mutex::default());
        let vault = Vault { inner: Arc::new(Inner { keys, pool, cache, master, forgetting }) };
        if vault.server().is_some() {
            shared::watch(&vault.inner)?;
        }
        Ok(vault)
    }

    /// The database server they lie in, and its version: other nodes may have them too.
    /// None if they are this process's own.
    pub fn server(&self) -> Option<&str> {
        self.inner.keys.server()
    }

    /// Whether that server answered when it was asked last, which is all the time.
    pub fn reachable(&self) -> bool {
        self.inner.keys.reachable()
    }

    /// What is kept under a name beside the keys, once this has been put there if
    /// nothing was: the same for every node that has these keys.
    pub fn keep(&self, name: &str, fresh: &str) -> Result<Zeroizing<String>, VaultError> {
        let kept = self.inner.keys.secret(name, &Zeroizing::new(fresh.as_bytes().to_vec()))?;
        String::from_utf8(kept.to_vec()).map(Zeroizing::new).map_err(|_| VaultError::Tampered)
    }

    /// A subject nobody was given before. Waits, at most two seconds, when no key is ready.
    pub async fn subject(&self) -> Result<Subject, VaultError> {
        let (id, key) = self.inner.pool.take().await?;
        let commitment = commitment(id, &key);
        self.inner.cache.insert(id, Standing::Live(key));
        Ok(Subject { id, commitment })
    }

    /// A secret of this vault for one purpose: HMAC-SHA-256(master, label). The same after every start.
    pub fn secret(&self, label: &'static str) -> [u8; 32] {
        keyed(&self.inner.master, &[label.as_bytes()])
    }

    /// Destroys a key; a tombstone stays. Again, or for a subject that never had one: the same.
    /// Blocks until the bytes are gone from the file; a database server keeps them for as
    /// long as its own write-ahead log and dead rows last.
    pub fn destroy(&self, subject: Uuid) -> Result<(), VaultError> {
        self.inner.keys.destroy(subject, || {
            self.inner.cache.insert(subject, Standing::Destroyed);
        })?;
        if self.is_far() { self.inner.forget_destroyed() } else { Ok(()) }
    }

    /// How the keys of these subjects stand.
    pub fn count(&self, subjects: &[Uuid]) -> Result<KeyCount, VaultError> {
        let mut count = KeyCount::default();
        for page in subjects.chunks(FETCHED) {
            self.fetch(page)?;
            for subject in page {
                match self.standing(*subject)? {
                    Standing::Live(_) => count.live += 1,
                    Standing::Destroyed => count.destroyed += 1,
                    Standing::Missing => count.missing += 1,
                }
            }
        }
        Ok(count)
    }

    /// Ends the thread that makes keys. Reading and destroying still work.
    pub async fn close(&self) {
        self.inner.pool.close();
    }

    /// Whether keys that are needed soon had better be fetched in one go.
    pub(crate) fn is_far(&self) -> bool {
        self.server().is_some()
    }

    /// Brings keys into memory, if that spares asking for each.
    pub(crate) fn fetch(&self, subjects: &[Uuid]) -> Result<(), VaultError> {
        self.fetch_with(subjects, 0)
    }

    /// Those of what another node has just written; with them come the keys that it will use next.
    pub(crate) fn fetch_ahead(&self, subjects: &[Uuid]) -> Result<(), VaultError> {
        self.fetch_with(subjects, AHEAD)
    }

    fn fetch_with(&self, subjects: &[Uuid], ahead: u32) -> Result<(), VaultError> {
        let inner = &*self.inner;
        if !self.is_far() {
            return Ok(());
        }
        let mut wanted: Vec<Uuid> = subjects.iter().filter(|id| inner.cache.peek(*id).is_none()).copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        for page in wanted.chunks(FETCHED) {
            inner.keys.standings(page, ahead, |id, standing| inner.cache.insert(id, standing.clone()))?;
        }
        Ok(())
    }

    pub(crate) fn standing(&self, subject: Uuid) -> Result<Standing, VaultError> {
        let inner = &*self.inner;
        let kept = inner.cache.get(&subject);
        if matches!(kept, Some(Standing::Live(_))) && !inner.keys.trusts() {
            inner.forget_destroyed()?;
        }
        if kept.is_some()
            && let Some(standing) = inner.cache.get(&subject)
        {
            return Ok(standing);
        }
        let found = inner.keys.standings(&[subject], 0, |id, standing| inner.cache.insert(id, standing.clone()))?;
        Ok(found.get(&subject).cloned().unwrap_or(Standing::Missing))
    }

    /// Seals a clear text for a live subject.
    pub(crate) fn seal(&self, subject: Uuid, header: &Header<'_>, clear: &[u8]) -> Result<String, VaultError> {
        seal::seal(&self.live(subject)?, header, clear)
    }

    /// Opens a sealed text, if its key is still there.
    pub(crate) fn unseal(&self, subject: Uuid, header: &Header<'_>, sealed: &str) -> Result<Opened, VaultError> {
        match self.standing(subject)? {
            Standing::Live(key) => seal::open(&key, header, sealed).map(Opened::Clear),
            Standing::Destroyed => Ok(Opened::Erased),
            Standing::Missing => Err(VaultError::Missing { subject }),
        }
    }

    /// Whether the commitment is that of the subject's key.
    pub(crate) fn check(&self, subject: Uuid, claimed: &str) -> Result<(), VaultError> {
        if commitment(subject, &*self.live(subject)?) == claimed {
            Ok(())
        } else {
            Err(VaultError::OtherKey { subject })
        }
    }

    fn live(&self, subject: Uuid) -> Result<Key, VaultError> {
        match self.standing(subject)? {
            Standing::Live(key) => Ok(key),
            Standing::Destroyed => Err(VaultError::Destroyed { subject }),
            Standing::Missing => Err(VaultError::Missing { subject }),
        }
    }
}

fn memory() -> Cache<Uuid, Standing> {
    let mut options = OptionsBuilder::new();
    options.estimated_items_capacity(CACHED_KEYS).weight_capacity(CACHED_KEYS as u64).hot_allocation(PROVED);
    match options.build() {
        Ok(options) => {
            Cache::with_options(options, UnitWeighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
        }
        // A capacity is all that must be there.
        Err(_) => Cache::new(CACHED_KEYS),
    }
}

/// HMAC-SHA-256 over the parts, in a row.
pub(crate) fn keyed(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    keyed_by(&hmac::Key::new(hmac::HMAC_SHA256, secret), parts)
}

/// [`keyed`] under a key that is set up already, which is half the work.
pub(crate) fn keyed_by(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(key);
    for part in parts {
        mac.update(part);
    }
    bytes_of(mac.sign().as_ref())
}

/// The 32 bytes of a SHA-256.
pub(crate) fn bytes_of(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest);
    bytes
}

fn commitment(id: Uuid, key: &[u8; 32]) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    for part in [b"il-subject-v1".as_slice(), id.as_bytes(), key] {
        digest.update(part);
    }
    hex(digest.finish().as_ref())
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    // Digits are UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a follower does with the log, page after page.
    #[test]
    fn what_was_fetched_is_there_until_it_was_used_however_much_was_before() {
        let memory = memory();
        for page in 0..20 {
            let ids: Vec<Uuid> =
                (0..2 * FETCHED).map(|number| Uuid::from_u128((page << 32) + number as u128)).collect();
            ids.iter().for_each(|id| memory.insert(*id, Standing::Missing));
            let there = ids.iter().filter(|id| memory.get(*id).is_some()).count();
            assert_eq!(there, ids.len(), "of page {page}");
        }
    }
}
