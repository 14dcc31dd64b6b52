//! `bench ceiling LISTEN` serves one bare poem-openapi handler: what the HTTP
//! layer alone can do. `bench run` measures servers that are already there,
//! which `benches/run` starts, and prints a table.

mod ceiling;
mod load;
mod plan;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ceiling", listen] => ceiling::serve(listen).await,
        ["run", settings @ ..] => plan::run(settings).await,
        _ => Err("usage: bench ceiling LISTEN | bench run NAME=VALUE…; see benches/run".into()),
    }
}
