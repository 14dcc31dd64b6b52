//! Which token belongs to which application. Scopes, and whether it is
//! revoked, stand in the log and are asked at each request.

use crate::error::state;
use crate::sessions::REMEMBERED_FOR;
use crate::token::TokenDigest;
use crate::{Token, TokenKind};
use domain::{Failure, TenantName};
use quick_cache::sync::{Cache, GuardResult};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use store::{Batch, State};
use uuid::Uuid;

/// Key: the token's digest; value: [`Owner`].
const TOKENS: &str = "application_token";
/// Key: `{application}/{digest}`.
const TOKENS_OF: &str = "application_token_of";
/// Tokens remembered in memory.
const CACHED: usize = 4_096;
/// Tokens of one application looked at in one step.
const PAGE: usize = 100;

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantName,
    pub(crate) application: Uuid,
}

pub(crate) struct Applications {
    state: State,
    /// With when it was read.
    cache: Cache<TokenDigest, (Arc<Owner>, Instant)>,
}

impl Applications {
    pub(crate) fn new(state: State) -> Self {
        Self { state, cache: Cache::new(CACHED) }
    }

    pub(crate) fn find(&self, digest: &TokenDigest) -> Result<Option<Arc<Owner>>, Failure> {
        // Where another node may end it, it is read again in time.
        if self.state.server().is_some()
            && self.cache.peek(digest).is_some_and(|(_, read_at)| read_at.elapsed() >= REMEMBERED_FOR)
        {
            self.cache.remove(digest);
        }
        // The placeholder is taken away by `forget`, so that what was read
        // before it is not remembered after it.
        let guard = match self.cache.get_value_or_guard(digest, None) {
            GuardResult::Value((owner, _)) => return Ok(Some(owner)),
            GuardResult::Guard(guard) => Some(guard),
            GuardResult::Timeout => None,
        };
        let read_at = Instant::now();
        let Some(bytes) = self.state.get(TOKENS, &digest.to_string()).map_err(state)? else { return Ok(None) };
        let owner: Arc<Owner> = Arc::new(serde_json::from_slice(&bytes).map_err(Failure::internal)?);
        if let Some(guard) = guard {
            // Refused when the token ended meanwhile: this answer is the last one.
            let _ = guard.insert((owner.clone(), read_at));
        }
        Ok(Some(owner))
    }

    /// A new token, durable before it is shown; the former ones end.
    pub(crate) async fn new_token(&self, tenant: &TenantName, application: Uuid) -> Result<Token, Failure> {
        let token = Token::random(TokenKind::Application)?;
        let digest = token.digest();
        let owner = Owner { tenant: tenant.clone(), application };
        let value = serde_json::to_vec(&owner).map_err(Failure::internal)?;
        let former = self.tokens_of(application)?;
        let batch = Batch::new().put(TOKENS, &digest.to_string(), value).put(
            TOKENS_OF,
            &format!("{application}/{digest}"),
            vec![],
        );
        self.end(batch, application, &former).await?;
        Ok(token)
    }

    /// Ends all tokens of an application.
    pub(crate) async fn forget(&self, application: Uuid) -> Result<(), Failure> {
        loop {
            let tokens = self.tokens_of(application)?;
            if tokens.is_empty() {
                return Ok(());
            }
            self.end(Batch::new(), application, &tokens).await?;
        }
    }

    fn tokens_of(&self, application: Uuid) -> Result<Vec<TokenDigest>, Failure> {
        let prefix = format!("{application}/");
        let rows = self.state.scan(TOKENS_OF, &prefix, None, PAGE).map_err(state)?;
        Ok(rows.iter().filter_map(|(key, _)| TokenDigest::parse(key.strip_prefix(&prefix)?)).collect())
    }

    async fn end(&self, batch: Batch, application: Uuid, tokens: &[TokenDigest]) -> Result<(), Failure> {
        let batch = tokens.iter().fold(batch, |batch, digest| {
            batch.delete(TOKENS, &digest.to_string()).delete(TOKENS_OF, &format!("{application}/{digest}"))
        });
        self.state.commit(batch).await.map_err(state)?;
        for digest in tokens {
            self.cache.remove(digest);
        }
        Ok(())
    }
}
