//! A handler that decodes nothing and knows one answer.

use poem::listener::TcpListener;
use poem::{Route, Server};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, OpenApiService};
use std::error::Error;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What requests under way have left when it ends.
const LEAVE: Duration = Duration::from_secs(1);

#[derive(Object)]
struct Answer {
    id: String,
    email: String,
}

struct Api;

#[OpenApi]
impl Api {
    /// One answer.
    #[oai(path = "/bare", method = "get")]
    async fn bare(&self) -> Json<Answer> {
        Json(Answer { id: "01a20080-c583-7170-8aff-c838ea0b7e69".to_owned(), email: "a@example.org".to_owned() })
    }
}

pub async fn serve(listen: &str) -> Result<(), Box<dyn Error>> {
    let service = OpenApiService::new(Api, "ceiling", "1");
    // Told to end, it ends in order: a build that is watched writes down what it saw then.
    let mut told = signal(SignalKind::terminate())?;
    let ended = async move { told.recv().await.unwrap_or_default() };
    let server = Server::new(TcpListener::bind(listen.to_owned()));
    server.run_with_graceful_shutdown(Route::new().nest("/", service), ended, Some(LEAVE)).await?;
    Ok(())
}
