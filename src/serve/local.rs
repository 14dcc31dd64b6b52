//! The service without a socket: what the command line uses when no server
//! holds the data folder. Mail waits for the next `serve`.

use super::{House, StartError, bootstrap};
use crate::clock::SystemClock;
use crate::settings::Settings;
use openapi::Front;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request};
use serde_json::Value;
use std::sync::Arc;

/// The largest answer the command line reads, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// An opened house, called as if over HTTP.
pub struct Local {
    house: House,
    endpoint: Front,
    token: String,
}

impl Local {
    /// Opens the data folder; an empty one is bootstrapped as `serve` does.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(settings: &Settings) -> Result<Self, StartError> {
        let house = House::open(settings, Arc::new(SystemClock), "a command").await?;
        let file = settings.data.join(bootstrap::ADMIN_TOKEN);
        let token = std::fs::read_to_string(&file)
            .map_err(|source| StartError::Folder { folder: settings.data.clone(), source })?;
        let endpoint = house.endpoint();
        Ok(Self { house, endpoint, token: token.trim().to_owned() })
    }

    /// One request as the deployment principal; answers status and JSON body.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let Ok(method) = method.parse::<Method>() else {
            return (StatusCode::METHOD_NOT_ALLOWED.as_u16(), Value::Null);
        };
        let mut request = Request::builder()
            .method(method)
            .uri_str(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.content_type("application/json");
        }
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request.finish(),
        };
        let response = self.endpoint.get_response(request).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().into_bytes_limit(MAX_ANSWER).await.unwrap_or_default();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let json =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) };
        (status, json)
    }

    pub async fn close(self) {
        drop(self.endpoint);
        self.house.close().await;
    }
}
