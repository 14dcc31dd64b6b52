//! Writes the OpenAPI documents anew: `cargo run -p openapi --example spec`.

use openapi::{Dialect, document};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec");
    std::fs::create_dir_all(&folder)?;
    for dialect in Dialect::ALL {
        std::fs::write(folder.join(format!("{dialect}.json")), document(dialect))?;
    }
    Ok(())
}
