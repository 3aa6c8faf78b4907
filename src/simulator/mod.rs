//! Plays Bedrock's runtime API for `--simulate`, tests and benches.
