//! Passwords: at least twelve characters, kept as Argon2id under the user's id.
//!
//! Promise: hashing never runs on the tasks that answer requests, only so many
//! run at once, and only so many wait. Who has no password costs a caller the
//! same work as who has one.

use crate::error::{RETRY_AFTER_S, state};
use crate::token::fill_random;
use crate::{IdentityError, PasswordError, PasswordSettings};
use argon2::password_hash::{Error as HashError, Output, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::text::{MAX_PASSWORD, MIN_PASSWORD};
use domain::{Failure, Unavailable};
use std::sync::Arc;
use store::{Batch, State};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use uuid::Uuid;
use zeroize::Zeroizing;

/// UTF-8 bytes of a password at most: four for each character.
const MAX_BYTES: usize = 4 * MAX_PASSWORD;
/// Callers that wait for a hash; one more is told to come back.
const MAX_WAITING: usize = 128;
const SALT_BYTES: usize = 16;
/// Key: the user's id; value: the hash in PHC form.
const PASSWORDS: &str = "password";

/// The kept passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    state: State,
    argon2: Argon2<'static>,
    /// What the password of an unknown user is compared with.
    dummy: Arc<str>,
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A password as it is kept, exactly, so that a session can be opened only
/// while it still stands.
pub(crate) struct Kept(Vec<u8>);

impl Passwords {
    pub(crate) fn new(state: State, settings: PasswordSettings) -> Result<Self, IdentityError> {
        let params = Params::new(settings.memory_kib, settings.iterations, settings.lanes, None)
            .map_err(IdentityError::Argon2)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = nobodys(&argon2).map_err(|fault| IdentityError::Dummy(Box::new(fault)))?;
        Ok(Self {
            state,
            argon2,
            dummy: dummy.into(),
            at_once: Arc::new(Semaphore::new(settings.at_once.max(1))),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        })
    }

    /// A place among those who wait for a hash; held until the answer.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.waiting.clone().try_acquire_owned().map_err(|fault| match fault {
            TryAcquireError::NoPermits => Unavailable::Busy { retry_after_s: RETRY_AFTER_S }.into(),
            TryAcquireError::Closed => Unavailable::Stopping.into(),
        })
    }

    /// Keeps a user's password, durably. There need not be such a user yet.
    pub(crate) async fn set(&self, user: Uuid, password: &str) -> Result<(), PasswordError> {
        check(password)?;
        let _place = self.place().map_err(PasswordError::Unavailable)?;
        let mut salt = [0; SALT_BYTES];
        fill_random(&mut salt).map_err(|fault| PasswordError::Unavailable(fault.into()))?;
        let argon2 = self.argon2.clone();
        let phc = self
            .apart(password, move |password| hash(&argon2, &salt, password))
            .await
            .and_then(|hashed| hashed.map_err(broken))
            .map_err(PasswordError::Unavailable)?;
        let batch = Batch::new().put(PASSWORDS, &user.to_string(), phc.into_bytes());
        self.state.commit(batch).await.map_err(|fault| PasswordError::Unavailable(state(fault)))
    }

    pub(crate) async fn forget(&self, user: Uuid) -> Result<(), Failure> {
        self.state.commit(Batch::new().delete(PASSWORDS, &user.to_string())).await.map_err(state)
    }

    pub(crate) fn of(&self, user: Uuid) -> Result<Option<Kept>, Failure> {
        Ok(self.state.get(PASSWORDS, &user.to_string()).map_err(state)?.map(Kept))
    }

    /// Whether the password is the kept one. `None` is never right, and takes as long.
    pub(crate) async fn is(&self, kept: Option<&Kept>, password: &str) -> Result<bool, Failure> {
        let phc = match kept {
            Some(Kept(bytes)) => String::from_utf8(bytes.clone()).map_err(Failure::internal)?,
            None => self.dummy.to_string(),
        };
        let argon2 = self.argon2.clone();
        let same = self.apart(password, move |password| verify(&argon2, &phc, password)).await?.map_err(broken)?;
        Ok(same && kept.is_some())
    }

    /// Runs on a blocking thread. The permit goes along: a caller who hangs up
    /// does not make room for another before the work is done.
    async fn apart<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = self.at_once.clone().acquire_owned().await.map_err(|_| Failure::from(Unavailable::Stopping))?;
        // One that is too long was never kept, and is not worth hashing whole.
        let length = password.len().min(MAX_BYTES + 1);
        let password = Zeroizing::new(password.as_bytes()[..length].to_vec());
        tokio::task::spawn_blocking(move || {
            let done = work(&password);
            drop(permit);
            done
        })
        .await
        .map_err(Failure::internal)
    }
}

impl Kept {
    /// Makes a batch land only while this password still stands.
    pub(crate) fn expect(self, batch: Batch, user: Uuid) -> Batch {
        batch.expect(PASSWORDS, &user.to_string(), Some(self.0))
    }
}

fn check(password: &str) -> Result<(), PasswordError> {
    match password.chars().count() {
        // Longer ones are refused, not cut.
        length if length > MAX_PASSWORD => Err(PasswordError::TooLong),
        length if length < MIN_PASSWORD => Err(PasswordError::TooShort),
        _ => Ok(()),
    }
}

/// A hash of no password that is verified with as much work as one of today's
/// settings. Composed, not computed: hashing takes memory that a start need not.
fn nobodys(argon2: &Argon2<'_>) -> Result<String, HashError> {
    let salt = SaltString::encode_b64(&[0; SALT_BYTES])?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: argon2.params().try_into()?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&[0; Params::DEFAULT_OUTPUT_LEN])?),
    };
    Ok(hash.to_string())
}

fn hash(argon2: &Argon2<'_>, salt: &[u8], password: &[u8]) -> Result<String, HashError> {
    let salt = SaltString::encode_b64(salt)?;
    Ok(argon2.hash_password(password, &salt)?.to_string())
}

/// With the parameters that stand in the hash, which may be older ones.
fn verify(argon2: &Argon2<'_>, phc: &str, password: &[u8]) -> Result<bool, HashError> {
    match argon2.verify_password(password, &PasswordHash::new(phc)?) {
        Ok(()) => Ok(true),
        Err(HashError::Password) => Ok(false),
        Err(other) => Err(other),
    }
}

fn broken(fault: HashError) -> Failure {
    Failure::internal(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_password_is_as_much_work_and_never_right() {
        let params = Params::new(64, 2, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (real, none) = (hash(&argon2, &[0; SALT_BYTES], b"").unwrap(), nobodys(&argon2).unwrap());
        let all_but_the_hash = |phc: &str| phc.rsplit_once('$').map(|(rest, hash)| (rest.to_owned(), hash.len()));
        assert_eq!(all_but_the_hash(&none), all_but_the_hash(&real));
        for tried in [&b""[..], b"birdsong-password"] {
            assert!(!verify(&argon2, &none, tried).unwrap());
        }
    }
}
