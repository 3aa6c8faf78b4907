use std::path::Path;
use switchyard::config::{Environment, Overrides, load_bytes};
#[test]
fn scratch() {
    let text = std::fs::read(std::env::var_os("SCRATCH").unwrap()).unwrap();
    let config = load_bytes(
        Path::new("c.yaml"),
        &text,
        Environment::of_process(),
        &Overrides::default(),
    );
    match config {
        Ok(c) => println!("{c:#?}"),
        Err(f) => println!("{f}"),
    }
}
