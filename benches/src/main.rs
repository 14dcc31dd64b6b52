//! `bench ceiling LISTEN` serves one bare poem-openapi handler: what the HTTP
//! layer alone can do. `bench run` measures servers that are already there,
//! which `benches/run` starts, and prints a table. `bench scale` simulates several
//! services on one PostgreSQL.

mod ceiling;
mod load;
mod plan;
mod scale;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ceiling", listen] => ceiling::serve(listen).await,
        ["run", settings @ ..] => plan::run(settings).await,
        ["scale", settings @ ..] => scale::print(settings),
        _ => Err("usage: bench ceiling LISTEN | bench run NAME=VALUE… | bench scale NAME=VALUE…; see benches/run and docs/scaling.md".into()),
    }
}
