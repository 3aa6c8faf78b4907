//! The `switchyard` program: reads the command line and runs what it asks for.

use std::process::ExitCode;

use clap::Parser as _;

/// Many small allocations per request, freed on other threads: mimalloc is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = switchyard::cli::Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(switchyard::cli::run(arguments)),
        Err(error) => {
            switchyard::cli::complain(&format!("the runtime cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}
